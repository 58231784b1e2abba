<?php

declare(strict_types=1);

namespace Kask;

/**
 * Kask does not do this, and nothing was done: the certificate, the permission, the size or a setting is wrong. The
 * one that passes by itself is 429: these sessions have used up their budget, until `retryAfterMs` from now.
 */
final class KaskRefused extends KaskException
{
}
