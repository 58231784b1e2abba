import type { AuthorizationSettings, ClientSettings, Permission } from '../../config/settings.js';

/** What a client may do. */
export interface Rights {
  may(permission: Permission): boolean;
  /** Whether a session key is one of his. */
  owns(key: string): boolean;
}

export const ANYTHING: Rights = { may: () => true, owns: () => true };

class Client implements Rights {
  private readonly permissions: ReadonlySet<Permission>;

  constructor(private readonly settings: Readonly<ClientSettings>) {
    this.permissions = new Set(settings.may);
  }

  may(permission: Permission): boolean {
    return this.permissions.has(permission);
  }

  owns(key: string): boolean {
    const { keys } = this.settings;
    return keys === undefined || keys.some((prefix) => key.startsWith(prefix));
  }
}

/** The clients of `authorization.clients`, by identity. */
export class Clients {
  private readonly exact = new Map<string, Client>();
  /** Beginnings of identities, the longest first. */
  private readonly patterns: [beginning: string, client: Client][] = [];
  private readonly proxies: ReadonlySet<string>;

  constructor({ clients = {}, proxies = [] }: Partial<AuthorizationSettings> = {}) {
    for (const [identity, settings] of Object.entries(clients)) {
      const client = new Client(settings);
      if (identity.endsWith('*')) this.patterns.push([identity.slice(0, -1), client]);
      else this.exact.set(normal(identity), client);
    }
    this.patterns.sort(([a], [b]) => b.length - a.length);
    this.proxies = new Set(proxies.map(normal));
  }

  /** The rights of this identity: written in full before any pattern, the longer pattern before the shorter. */
  find(identity: string): Rights | undefined {
    return (
      this.exact.get(identity) ?? this.patterns.find(([beginning]) => continues(identity, beginning))?.[1]
    );
  }

  isProxy(identity: string): boolean {
    return this.proxies.has(identity);
  }
}

/** By no more than what is left of a segment. */
function continues(identity: string, beginning: string): boolean {
  return identity.startsWith(beginning) && !identity.includes('/', beginning.length);
}

/** Case matters in the path of a URI and not in a DNS name. */
function normal(identity: string): string {
  return identity.includes('://') ? identity : identity.toLowerCase();
}
