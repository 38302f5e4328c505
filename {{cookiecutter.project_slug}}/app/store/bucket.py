"""The objects of an S3-compatible bucket: listed by pages, read with a limit, asked for their tags or metadata."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from app.errors import NotFound, SourceFailed, Unreadable

T = TypeVar("T")
CONNECT_S, READ_S, ATTEMPTS = 5, 30, 3
PAGE = 500
_GONE = {"NoSuchKey", "404", "NotFound"}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the listing tells of it."""

    key: str
    version: str
    size: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of an object with its version and media type."""

    content: bytes
    version: str
    media_type: str


@dataclass(frozen=True)
class Objects:
    """A bucket; every call runs in a thread. Raises SourceFailed with the service's own code when it refuses."""

    bucket: str
    endpoint_url: str = ""
    region: str = ""
    key: str = ""
    secret: str = ""

    async def pages(self, prefix: str) -> AsyncIterator[list[Stored]]:
        """List the objects whose keys begin with `prefix`, some hundreds at a time."""
        token: dict[str, str] = {}
        while True:
            page = await self._call("list_objects_v2", Prefix=prefix, MaxKeys=PAGE, **token)
            yield [Stored(each["Key"], each["ETag"].strip('"'), each["Size"]) for each in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def labels(self, key: str, kind: Literal["tags", "metadata"]) -> dict[str, str]:
        """Give the tags or the metadata of an object. Raises NotFound."""
        if kind == "tags":
            found = await self._call("get_object_tagging", Key=key)
            return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}
        return dict((await self._call("head_object", Key=key))["Metadata"])

    async def read(self, key: str, *, most_bytes: int) -> Fetched:
        """Give an object. Raises NotFound when it is gone, Unreadable when it is larger than `most_bytes`."""

        def fetch() -> Fetched:
            found = self._client.get_object(Bucket=self.bucket, Key=key)
            with found["Body"] as body:
                if found["ContentLength"] > most_bytes:
                    size = f"{found['ContentLength']:,} bytes; allowed are {most_bytes:,}"
                    raise Unreadable(f"The object has {size}.", reason="oversized")
                content = body.read(most_bytes + 1)
            return Fetched(content, found["ETag"].strip('"'), found.get("ContentType", ""))

        return await self._threaded(fetch)

    @cached_property
    def _client(self) -> Any:
        # 30 MB of descriptions of services: loaded by the first bucket that is read.
        from botocore.config import Config
        from botocore.session import Session

        retries = {"mode": "standard", "max_attempts": ATTEMPTS}
        config = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries=retries)
        return Session().create_client(
            "s3",
            region_name=self.region or None,
            endpoint_url=self.endpoint_url or None,
            aws_access_key_id=self.key or None,
            aws_secret_access_key=self.secret or None,
            config=config,
        )

    async def _call(self, name: str, **arguments: Any) -> Any:
        return await self._threaded(lambda: getattr(self._client, name)(Bucket=self.bucket, **arguments))

    async def _threaded(self, work: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.to_thread(work)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _GONE:
                raise NotFound(f"The object is gone from the bucket {self.bucket!r}.") from error
            raise SourceFailed(f"The bucket {self.bucket!r} refuses: {code}.") from error
        except (BotoCoreError, OSError) as error:
            raise SourceFailed(f"The bucket {self.bucket!r} does not answer: {type(error).__name__}.") from error
