<?php

declare(strict_types=1);

namespace Kask;

/** What Kask holds under a key. */
final readonly class StoredSession
{
    /** @param int $ttlSeconds left; 0 if it never expires */
    public function __construct(
        public string $value,
        public string $etag,
        public int $ttlSeconds,
    ) {
    }
}
