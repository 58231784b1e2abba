import { isAuthenticationRequired } from './authentication.js';
import { isLoopback } from './host-name.js';
import type { Settings } from './settings.js';
import type { Findings } from './written.js';

const OPEN_BY_MANAGEMENT =
  'docs_page: true, and management.listen_address is not loopback: WHOEVER REACHES THE MANAGEMENT PORT CAN READ, REPLACE AND DELETE EVERY SESSION (docs/security.md)';

export function checkDocsPage(settings: Settings, { faults, warnings }: Findings): void {
  const { docs_page, base_uri, management } = settings;
  if (!docs_page) return;
  if (base_uri === '/' || base_uri.startsWith('/docs/'))
    faults.push(
      `docs_page: found true with base_uri ${base_uri}; allowed: a base_uri that is neither / nor below /docs`,
    );
  if (management && !isLoopback(management.listen_address) && !isAuthenticationRequired(settings))
    warnings.push(OPEN_BY_MANAGEMENT);
}
