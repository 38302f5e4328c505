"""The labels a ticket may get; sample/LABELS.md says when."""

CATEGORIES = (
    "safety",
    "account_access",
    "returns",
    "billing",
    "feature_request",
    "calibration",
    "connectivity",
    "hardware_fault",
)
URGENCIES = ("low", "normal", "high", "urgent")
