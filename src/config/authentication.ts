import { isLoopback } from './host-name.js';
import type { Settings } from './settings.js';
import type { Findings } from './written.js';

const OPEN_TO_ALL =
  'authentication: none, and listen_address is not loopback: WHOEVER REACHES THE PORT CAN READ, REPLACE AND DELETE EVERY SESSION, unless something in front of this service checks who speaks (docs/security.md)';

/** Whoever lists clients wants to know who speaks. */
export function isAuthenticationRequired({ authentication, authorization }: Settings): boolean {
  return (authentication ?? (authorization?.clients ? 'required' : 'none')) === 'required';
}

export function checkAuthentication(settings: Settings, { faults, warnings }: Findings): void {
  const clients = settings.authorization?.clients;
  if (!isAuthenticationRequired(settings)) {
    if (clients) faults.push('authentication: found none; allowed beside authorization.clients: required');
    if (isOpenToAll(settings)) warnings.push(OPEN_TO_ALL);
  } else if (!clients)
    faults.push('authorization.clients: found nothing; needed with authentication: required');
}

function isOpenToAll({ listen_socket, listen_address }: Settings): boolean {
  return listen_socket === undefined && !isLoopback(listen_address);
}
