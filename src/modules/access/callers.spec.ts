import type { IncomingMessage } from 'node:http';
import type { HttpConnections } from '../../http/http-connections.js';
import { type Caller, IdentifiedCallers } from './callers.js';
import { Clients } from './clients.js';

/** What one connection from loopback says of its callers. */
function proxied(): (header: string) => Caller {
  const connections = { of: () => connections } as unknown as HttpConnections;
  const callers = new IdentifiedCallers(new Clients(), connections, false);
  const socket = { remoteAddress: '127.0.0.1' };
  return (header) =>
    callers.of({ socket, headers: { 'x-forwarded-client-cert': header } } as unknown as IncomingMessage);
}

describe('callers behind a proxy', () => {
  it('are decided about once, and told apart', () => {
    const of = proxied();
    const ada = of('URI=spiffe://prod/ada');
    expect(of('URI=spiffe://prod/bob').identity).toBe('spiffe://prod/bob');
    expect(of('URI=spiffe://prod/ada')).toBe(ada);
  });

  it('are forgotten before their headers come to much', () => {
    const of = proxied();
    const ada = of('URI=spiffe://prod/ada');
    for (let i = 0; i < 3; i++) of(`URI=spiffe://prod/${i}${'x'.repeat(15_000)}`);
    expect(of('URI=spiffe://prod/ada')).toBe(ada);
    for (let i = 3; i < 6; i++) of(`URI=spiffe://prod/${i}${'x'.repeat(15_000)}`);
    expect(of('URI=spiffe://prod/ada')).not.toBe(ada);
    expect(of('URI=spiffe://prod/ada')).toEqual(ada);
  });
});
