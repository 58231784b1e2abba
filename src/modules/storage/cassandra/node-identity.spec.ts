import { checkNode } from './node-identity.js';

const ADDRESS = '10.64.0.7';
const NAMES = ['sessionstore1001.eqiad.wmnet', '10.64.0.1', '*.codfw.wmnet'];

/** As Node gives the certificate of a peer. */
function certificate(subjectaltname: string | undefined, commonName = 'node') {
  return { subject: { CN: commonName }, subjectaltname };
}

describe('a node is who it should be', () => {
  it.each([
    ['its address', 'IP Address:10.64.0.7'],
    ['one of the hosts by name', 'DNS:sessionstore1001.eqiad.wmnet'],
    ['one of the hosts in other case', 'DNS:SessionStore1001.EQIAD.wmnet'],
    ['one of the hosts by address', 'IP Address:10.64.0.1'],
    ['one of the hosts among others', 'DNS:a.example.org, DNS:sessionstore1001.eqiad.wmnet'],
    ['one of the hosts by a wildcard', 'DNS:*.eqiad.wmnet'],
    ['a name below one of server_names', 'DNS:sessionstore2001.codfw.wmnet'],
    ['the same wildcard as in server_names', 'DNS:*.codfw.wmnet'],
  ])('if its certificate is for %s', (_what, names) => {
    expect(checkNode(ADDRESS, NAMES, certificate(names))).toBeUndefined();
  });

  it.each<[string, string | undefined]>([
    ['another name', 'DNS:sessionstore1002.eqiad.wmnet'],
    ['another address', 'IP Address:10.64.0.8'],
    ['a name that ends like one of ours', 'DNS:evil-sessionstore1001.eqiad.wmnet'],
    ['a name that begins like one of ours', 'DNS:sessionstore1001.eqiad.wmnet.evil.org'],
    ['a name two levels below server_names', 'DNS:a.b.codfw.wmnet'],
    ['the parent of server_names', 'DNS:codfw.wmnet'],
    ['everything', 'DNS:*'],
    ['every name of a top-level domain', 'DNS:*.wmnet'],
    ['a wildcard that is not the leftmost label', 'DNS:sessionstore1001.*.wmnet'],
    ['our address written as a name', 'DNS:10.64.0.7'],
    ['addresses by a wildcard', 'DNS:*.64.0.7'],
    ['our name as a URI', 'URI:https://sessionstore1001.eqiad.wmnet'],
    ['our name as a mail address', 'email:sessionstore1001.eqiad.wmnet'],
    ['a name with ours quoted in it', 'DNS:"evil.org, DNS:sessionstore1001.eqiad.wmnet"'],
    ['a name with one below server_names quoted in it', 'DNS:"evil.org, DNS:x.codfw.wmnet, DNS:evil.org"'],
    ['no name', undefined],
  ])('not if its certificate is for %s', (_what, names) => {
    expect(checkNode(ADDRESS, NAMES, certificate(names))).toBeInstanceOf(Error);
  });

  it.each([undefined, 'IP Address:10.64.0.9', 'email:root@eqiad.wmnet'])(
    'not by a common name (beside %s)',
    (names) => {
      const byCommonName = certificate(names, 'sessionstore1001.eqiad.wmnet');
      expect(checkNode(ADDRESS, NAMES, byCommonName)).toBeInstanceOf(Error);
    },
  );

  it('or it is told whose certificate it showed', () => {
    expect(checkNode(ADDRESS, NAMES, certificate('DNS:other.example.org'))?.message).toBe(
      'the certificate of node 10.64.0.7 is for DNS:other.example.org: ' +
        'neither its address nor a name in cassandra.hosts or cassandra.tls.server_names',
    );
  });
});
