<?php

declare(strict_types=1);

namespace Kask;

/** There is no answer now. Nothing is said about the session: nobody is logged out by this. */
final class KaskUnavailable extends KaskException
{
    /** @param bool $outcomeUnknown whether a write may have taken effect nevertheless */
    public function __construct(
        string $message,
        public readonly bool $outcomeUnknown,
        ?int $status = null,
        ?string $problem = null,
        ?int $retryAfterMs = null,
    ) {
        parent::__construct($message, $status, $problem, $retryAfterMs);
    }
}
