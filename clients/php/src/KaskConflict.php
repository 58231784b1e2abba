<?php

declare(strict_types=1);

namespace Kask;

/** The session is not as it was read: somebody has written or deleted it since. */
final class KaskConflict extends KaskException
{
}
