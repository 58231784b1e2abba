<?php

declare(strict_types=1);

namespace Kask;

/** Kask will not do this, however often it is asked: the certificate, the permission, the size or a setting is wrong. */
final class KaskRefused extends KaskException
{
}
