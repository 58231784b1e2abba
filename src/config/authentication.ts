import { isLoopback } from './host-name.js';
import type { Settings } from './settings.js';
import type { Findings } from './written.js';

const OPEN_TO_ALL =
  'authentication: none, and listen_address is not loopback: WHOEVER REACHES THE PORT CAN READ, REPLACE AND DELETE EVERY SESSION, unless something in front of this service checks who speaks (docs/security.md)';

const NOBODY_IS_KNOWN =
  'authentication: required, but tls.client_auth is none and nobody can come from loopback or a Unix socket: every request will be refused with 401';

/** Whoever lists clients wants to know who speaks. */
export function isAuthenticationRequired({ authentication, authorization }: Settings): boolean {
  return (authentication ?? (authorization?.clients ? 'required' : 'none')) === 'required';
}

export function checkAuthentication(settings: Settings, { faults, warnings }: Findings): void {
  const clients = settings.authorization?.clients;
  // Peers on a socket have no addresses, by which handshakes are told apart; what is on it needs no TLS.
  if (settings.listen_socket && settings.tls)
    faults.push('listen_socket: found beside tls; allowed: one of both');
  if (!isAuthenticationRequired(settings)) {
    if (clients) faults.push('authentication: found none; allowed beside authorization.clients: required');
    if (isOpenToAll(settings)) warnings.push(OPEN_TO_ALL);
    return;
  }
  if (!clients) faults.push('authorization.clients: found nothing; needed with authentication: required');
  if (isNobodyKnown(settings)) warnings.push(NOBODY_IS_KNOWN);
}

function isOpenToAll({ listen_socket, listen_address, tls }: Settings): boolean {
  return listen_socket === undefined && !isLoopback(listen_address) && tls?.client_auth !== 'required';
}

/** No certificate is asked for, and no proxy can be near: `0.0.0.0` and `::` are for loopback too. */
function isNobodyKnown({ listen_socket, listen_address, tls }: Settings): boolean {
  const isNear = listen_socket !== undefined || isLoopback(listen_address) || isUnspecified(listen_address);
  return !isNear && (tls?.client_auth ?? 'none') === 'none';
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
