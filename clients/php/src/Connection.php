<?php

declare(strict_types=1);

namespace Kask;

use CurlHandle;
use SensitiveParameter;
use ValueError;

/** @internal One connection to Kask, kept for the requests after it. */
final class Connection
{
    private const CONNECT_TIMEOUT_MS = 1_200;

    private readonly string $url;
    private readonly array $tls;
    private ?CurlHandle $curl = null;

    public function __construct(string $url, ?string $ca, ?string $cert, ?string $key)
    {
        $this->url = rtrim($url, '/') . '/';
        $this->tls = array_filter([CURLOPT_CAINFO => $ca, CURLOPT_SSLCERT => $cert, CURLOPT_SSLKEY => $key]);
        $schemes = $this->tls === [] ? ['https', 'http'] : ['https'];
        // With http:// curl would ignore the certificates, and send sessions in clear.
        if (!in_array(strtolower((string) parse_url($url, PHP_URL_SCHEME)), $schemes, true)) {
            throw new ValueError('The URL of Kask begins with http:// or https://; with ca, cert or key with https://');
        }
    }

    /**
     * @param array<string, string> $headers
     * @param int $deadlineMs of nowMs()
     */
    public function exchange(
        string $method,
        #[SensitiveParameter] string $key,
        array $headers,
        #[SensitiveParameter] ?string $value,
        int $deadlineMs,
    ): Answer {
        $received = [];
        $this->curl ??= curl_init();
        // Options go, connections stay.
        curl_reset($this->curl);
        curl_setopt_array($this->curl, $this->tls + [
            CURLOPT_URL => $this->url . rawurlencode($key),
            CURLOPT_PATH_AS_IS => true,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            // One that the environment names would see session keys.
            CURLOPT_PROXY => '',
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => [...array_map(self::line(...), array_keys($headers), $headers), 'Expect:'],
            // What has no body is sent again, unasked, if a connection that was used before ends without answer.
            CURLOPT_FRESH_CONNECT => $value === null && isset($headers['If-Match']),
            CURLOPT_CONNECTTIMEOUT_MS => self::CONNECT_TIMEOUT_MS,
            CURLOPT_TIMEOUT_MS => max(1, $deadlineMs - self::nowMs()),
            CURLOPT_NOSIGNAL => true,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HEADERFUNCTION => static function (CurlHandle $curl, string $line) use (&$received): int {
                [$name, $content] = explode(':', $line, 2) + [1 => ''];
                $received[strtolower($name)] = trim($content);
                return strlen($line);
            },
        ]);
        if ($value !== null) {
            $sent = 0;
            curl_setopt_array($this->curl, [
                CURLOPT_UPLOAD => true,
                CURLOPT_INFILESIZE => strlen($value),
                // CURLOPT_POSTFIELDS would be sent again in the same way.
                CURLOPT_READFUNCTION => static function ($curl, $file, int $most) use ($value, &$sent): string {
                    $part = substr($value, $sent, $most);
                    $sent += strlen($part);
                    return $part;
                },
            ]);
        }
        $body = curl_exec($this->curl);
        if ($body === false) {
            $wasSent = curl_getinfo($this->curl, CURLINFO_PRETRANSFER_TIME_T) > 0;
            $reason = curl_strerror(curl_errno($this->curl));
            throw new KaskUnavailable("Kask does not answer: $reason", $wasSent && $method !== 'GET');
        }
        return new Answer(curl_getinfo($this->curl, CURLINFO_RESPONSE_CODE), $received, $body);
    }

    public static function nowMs(): int
    {
        return intdiv(hrtime(true), 1_000_000);
    }

    private static function line(string $name, string $content): string
    {
        if (!ctype_graph($content)) {
            // curl would leave out an empty If-Match, and the write would depend on nothing.
            throw new ValueError("$name is empty, or has a space in it");
        }
        return "$name: $content";
    }
}
