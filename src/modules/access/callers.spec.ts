import type { IncomingMessage } from 'node:http';
import type { HttpConnection } from '../../http/http-connection.js';
import { IdentifiedCallers } from './callers.js';
import { Clients } from './clients.js';

const WEB = 'spiffe://prod/web';
const clients = new Clients({ clients: { [WEB]: { may: ['read'] } }, proxies: ['spiffe://prod/proxy'] });

interface Peer {
  remoteAddress?: string;
  authorized?: boolean;
  subjectAltName?: string;
}

/** Requests of one connection. */
function connectionOf({ subjectAltName, ...peer }: Peer, onSocket = false) {
  const getPeerX509Certificate = jest.fn(() => subjectAltName && { subjectAltName });
  const socket = { ...peer, getPeerX509Certificate };
  const connection = {} as HttpConnection;
  const callers = new IdentifiedCallers(clients, onSocket);
  const of = (forwarded?: string) =>
    callers.of(
      {
        socket,
        headers: forwarded === undefined ? {} : { 'x-forwarded-client-cert': forwarded },
      } as unknown as IncomingMessage,
      connection,
    );
  return { of, callers, getPeerX509Certificate };
}

describe('who speaks', () => {
  it.each(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])(
    'a peer at %s says for whom',
    (remoteAddress) => expect(connectionOf({ remoteAddress }).of(`URI=${WEB}`).identity).toBe(WEB),
  );

  it.each(['10.0.0.1', '::ffff:10.0.0.1', '128.0.0.1', 'fe80::1', undefined])(
    'a peer at %s does not',
    (remoteAddress) => expect(connectionOf({ remoteAddress }).of(`URI=${WEB}`).identity).toBe(''),
  );

  it('a peer without an address does on a Unix socket alone', () =>
    expect(connectionOf({}, true).of(`URI=${WEB}`).identity).toBe(WEB));

  it('a peer at loopback does not if it shows a certificate of its own, unless that is of a proxy', () => {
    const peer = { remoteAddress: '127.0.0.1', authorized: true };
    expect(connectionOf({ ...peer, subjectAltName: 'DNS:low' }).of(`URI=${WEB}`).identity).toBe('low');
    expect(connectionOf({ ...peer, subjectAltName: 'IP Address:10.0.0.1' }).of(`URI=${WEB}`).identity).toBe(
      '',
    );
    const proxy = { ...peer, subjectAltName: 'URI:spiffe://prod/proxy' };
    expect(connectionOf(proxy).of(`URI=${WEB}`).identity).toBe(WEB);
  });

  it('a certificate counts once it was verified', () => {
    const certificate = { remoteAddress: '10.0.0.1', subjectAltName: `URI:${WEB}` };
    expect(connectionOf({ ...certificate, authorized: true }).of().identity).toBe(WEB);
    expect(connectionOf({ ...certificate, authorized: false }).of().identity).toBe('');
    expect(connectionOf(certificate).of().identity).toBe('');
  });

  it('nobody, where verification is said to have succeeded without a certificate', () =>
    expect(connectionOf({ remoteAddress: '10.0.0.1', authorized: true }).of().identity).toBe(''));

  it('is found out once a connection, and for a proxy once for each header', () => {
    const peer = { remoteAddress: '10.0.0.1', authorized: true, subjectAltName: 'URI:spiffe://prod/proxy' };
    const { of, getPeerX509Certificate } = connectionOf(peer);
    const first = of(`URI=${WEB}`);
    expect(of(`URI=${WEB}`)).toBe(first);
    expect(of('URI=spiffe://prod/other')).not.toBe(first);
    expect(of()).toMatchObject({ identity: 'spiffe://prod/proxy', rights: undefined });
    expect(getPeerX509Certificate).toHaveBeenCalledTimes(1);
  });

  it('is remembered of a proxy for a bounded number of headers', () => {
    const { of } = connectionOf({ remoteAddress: '127.0.0.1' });
    const first = of(`URI=${WEB}`);
    for (let i = 0; i < 300; i++) of(`URI=spiffe://prod/${i}`);
    expect(of(`URI=${WEB}`)).not.toBe(first);
    expect(of(`URI=${WEB}`)).toEqual(first);
  });

  it('is remembered of a proxy for no more than a few headers that are large', () => {
    const { of } = connectionOf({ remoteAddress: '127.0.0.1' });
    const large = (i: number) => of(`URI=spiffe://prod/${i}${'x'.repeat(15_000)}`);
    const first = large(0);
    for (let i = 1; i < 3; i++) large(i);
    expect(large(0)).toBe(first);
    for (let i = 3; i < 6; i++) large(i);
    expect(large(0)).not.toBe(first);
  });

  it('is judged anew once the clients have changed', () => {
    const { of, callers } = connectionOf({ remoteAddress: '127.0.0.1' });
    expect(of(`URI=${WEB}`).rights?.may('read')).toBe(true);
    callers.takeUp(new Clients({ clients: { other: { may: ['read'] } } }));
    expect(of(`URI=${WEB}`).rights).toBeUndefined();
  });
});
