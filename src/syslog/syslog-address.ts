import { isHost } from '../config/host-name.js';

export type SyslogAddress =
  { transport: 'unix'; path: string } | { transport: 'udp' | 'tcp' | 'tls'; host: string; port: number };

const MAX_PORT = 65_535;
/** Of `sun_path`, without the zero at its end, in bytes (unix(7)). */
const MAX_PATH_BYTES = 107;

/** `unix:/path` or `tcp://host:port`, an IPv6 address in brackets (RFC 3986 section 3.2.2); undefined for all else. */
export function parseSyslogAddress(text: string): SyslogAddress | undefined {
  const [, path] = /^unix:(\/[^\0]+)$/.exec(text) ?? [];
  if (path) return Buffer.byteLength(path) > MAX_PATH_BYTES ? undefined : { transport: 'unix', path };
  const [, transport, bracketed, plain, digits] =
    /^(udp|tcp|tls):\/\/(?:\[([\da-fA-F:.]+)\]|([^:/[\]]+)):([1-9]\d{0,4})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  const port = Number(digits);
  if (!isHost(host) || port > MAX_PORT) return undefined;
  return { transport: transport as 'udp' | 'tcp' | 'tls', host, port };
}
