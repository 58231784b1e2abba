<?php

declare(strict_types=1);

namespace Kask;

use RuntimeException;

/** What went wrong between us and Kask. No message has a session key or a value. */
abstract class KaskException extends RuntimeException
{
    /**
     * @param ?int $status of HTTP, if there was an answer
     * @param ?string $problem the last part of its problem type (RFC 9457), such as `over_budget`
     * @param ?int $retryAfterMs when it asks to be tried again
     */
    public function __construct(
        string $message,
        public readonly ?int $status = null,
        public readonly ?string $problem = null,
        public readonly ?int $retryAfterMs = null,
    ) {
        parent::__construct($message);
    }
}
