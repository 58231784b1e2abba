/** Where a Redis is, as a URL tells it. A password is in no URL of ours: who may list processes reads arguments. */
export interface RedisAddress {
  /** Of a Unix socket; in place of host and port. */
  path?: string;
  host: string;
  port: number;
  isTls: boolean;
  /** Of Redis' access control lists. */
  username?: string;
  database: number;
}

const REDIS_PORT = 6379;

/** `redis://[user@]host[:port][/database]`, the same with `rediss`, or `unix:/path`. */
export function parseRedisAddress(text: string): RedisAddress | undefined {
  const [, path] = /^unix:(\/.+)$/.exec(text) ?? [];
  if (path) return { path, host: 'localhost', port: 0, isTls: false, database: 0 };
  if (!/^rediss?:\/\/[^?#]+$/.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, pathname } = new URL(text);
  const [, database] = /^\/?(\d{0,5})$/.exec(pathname) ?? [];
  if (hostname === '' || database === undefined) return undefined;
  return {
    host: hostname.replace(/^\[(.+)\]$/, '$1'),
    port: Number(port) || REDIS_PORT,
    isTls: protocol === 'rediss:',
    ...(username && { username: decodeURIComponent(username) }),
    database: Number(database),
  };
}

export function hasPassword(text: string): boolean {
  return URL.canParse(text) && new URL(text).password !== '';
}

export function describeRedis({ path, host, port }: RedisAddress): string {
  return path ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
