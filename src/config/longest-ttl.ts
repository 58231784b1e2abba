import type { Settings } from './settings.js';

/** That a session can be given by a client, in seconds; 0 means for ever. */
export function longestTtl({ default_ttl, max_ttl }: Settings): number {
  return default_ttl === 0 ? 0 : max_ttl;
}
