<?php

declare(strict_types=1);

namespace Kask;

use SensitiveParameter;

/** What Kask holds under a key. */
final readonly class StoredSession
{
    /** @param int $ttlSeconds left; 0 if it never expires */
    public function __construct(
        #[SensitiveParameter] public string $value,
        public string $etag,
        public int $ttlSeconds,
    ) {
    }

    /** For error pages and var_dump(): nothing that tells what is in it. */
    public function __debugInfo(): array
    {
        return ['ttlSeconds' => $this->ttlSeconds];
    }
}
