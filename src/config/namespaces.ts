import type { Settings } from './settings.js';
import type { Findings, Written } from './written.js';

/** The namespace of the keys that are of no other. */
export const OTHER = 'other';

/** Each is a series of several metrics, and is looked for in the key of each request. */
const MOST = 32;

export function checkNamespaces(
  { namespaces = {}, encryption }: Settings,
  written: Map<string, Written>,
  { faults, warnings }: Findings,
): void {
  const named = Object.keys(namespaces).filter((name) => name !== OTHER);
  if (named.length > MOST)
    faults.push(`namespaces: found ${named.length} of them; allowed: ${MOST}, beside ${OTHER}`);
  const unwritten = named.map((name) => `namespaces.${name}.keys`).filter((path) => !written.has(path));
  for (const path of unwritten)
    faults.push(`${path}: found nothing; allowed: list of patterns of session keys`);
  const until = encryption?.read_unencrypted_until;
  if (until && Date.parse(until) > Date.now())
    for (const name of named.filter((each) => namespaces[each]?.atomic))
      warnings.push(
        `namespaces.${name}.atomic: writes to it are refused until encryption.read_unencrypted_until, ${until}`,
      );
  if (namespaces[OTHER]?.atomic)
    faults.push(`namespaces.${OTHER}.atomic: found true; allowed: false, as it has what no other has`);
  if (namespaces[OTHER]?.keys)
    faults.push(`namespaces.${OTHER}.keys: found a list; allowed: nothing, as it has what no other has`);
}
