<?php

declare(strict_types=1);

namespace Kask;

/** The answer is none of Kask's: the URL is wrong, or something in between has answered. */
final class KaskProtocolError extends KaskException
{
}
