import type { Settings } from '../../config/settings.js';

/** Paths beside the sessions; where `base_uri` is `/`, these are no keys. */
const OTHER_ENDPOINTS = new Set(['/healthz', '/healthz/live', '/healthz/ready', '/metrics', '/openapi']);

/**
 * Tells which requests are for sessions, by the request target as it came (RFC 9112 section 3.2): a router would decode
 * `%2F` before it matches, and refuse `%zz` before anybody could count it.
 */
export class BaseUri {
  private readonly route: string;

  /** @param instance whether problems show the path of a request, a session key, or the route alone */
  constructor(
    private readonly prefix: string,
    private readonly instance: Settings['problem_instance'] = 'route',
  ) {
    this.route = `${prefix}:key`;
  }

  covers(target: string): boolean {
    const path = pathOf(target);
    return path.startsWith(this.prefix) && !(this.prefix === '/' && isOtherEndpoint(path));
  }

  /** What a problem document says of where it happened; where `base_uri` is mistaken, any path may hold a key. */
  instanceOf(target: string): string {
    if (this.instance === 'path' || isOtherEndpoint(target)) return withoutQuery(pathOf(target));
    return this.covers(target) ? this.route : '/';
  }

  /** What follows `base_uri` in a target that it covers, query string and all. */
  rest(target: string): string {
    return pathOf(target).slice(this.prefix.length);
  }
}

function isOtherEndpoint(target: string): boolean {
  return OTHER_ENDPOINTS.has(withoutQuery(pathOf(target)));
}

export function withoutQuery(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

/** Proxies may send the absolute form, `http://host/path`. */
export function pathOf(target: string): string {
  if (target.startsWith('/')) return target;
  const authority = target.indexOf('://');
  if (authority === -1) return target;
  const path = target.slice(authority + 3).search(/[/?]/);
  return path === -1 ? '/' : target.slice(authority + 3 + path);
}
