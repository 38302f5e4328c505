"""Everything about reviews: who decides, who hands them out, and who looks after their deadlines."""

from dataclasses import dataclass

from app.wiring.ground import Ground
from app.work.review_desk import ReviewDesk
from app.work.review_keeper import ReviewKeeper
from app.work.reviews import Reviews


@dataclass(frozen=True, slots=True)
class Reviewing:
    """The three of them."""

    reviews: Reviews
    desk: ReviewDesk
    keeper: ReviewKeeper


def reviewing(on: Ground) -> Reviewing:
    """Put them together; who stands behind a program counts as having asked what it asked."""
    reviews = Reviews(on.database, on.cases, on.relay, on.shared, on.behind, on.privacy)
    return Reviewing(reviews, ReviewDesk(on.database, on.cases, reviews, on.privacy), ReviewKeeper(on.database))
