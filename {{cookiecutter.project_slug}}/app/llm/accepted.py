"""Asks a vendor whether it takes our key, by listing its models: that costs nothing."""

import httpx2

from app.llm.vendor import Vendor

TIMEOUT_S = 10.0
_ADDRESSES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}


def refusal(vendor: Vendor) -> str:
    """Give why the vendor does not take the key, or nothing. Raises OSError when it cannot be asked."""
    address = (vendor.base_url or _ADDRESSES.get(vendor.provider, "")).rstrip("/")
    if vendor.provider == "anthropic":
        headers = {"x-api-key": vendor.api_key, "anthropic-version": "2023-06-01"}
        url = f"{address.removesuffix('/v1')}/v1/models"
    else:
        headers, url = {"Authorization": f"Bearer {vendor.api_key}"} if vendor.api_key else {}, f"{address}/models"
    try:
        status = httpx2.get(url, headers=headers, timeout=TIMEOUT_S).status_code
    except httpx2.HTTPError as error:
        raise OSError(f"{address}: {type(error).__name__}") from error
    # Not every compatible server lists its models; those that do not know the path have taken the key.
    return f"it answers {status}" if status in (401, 403) else ""
