import { datacenterOfContacts, datacentersOf, existing } from './local-datacenter.js';

const NODES = [
  { address: '10.192.0.1:9042', datacenter: 'codfw' },
  { address: '10.64.0.1:9042', datacenter: 'eqiad' },
  { address: '10.64.0.2:9042', datacenter: 'eqiad' },
];

describe('the datacenter whose nodes coordinate', () => {
  it('is that of the contact points', () => {
    expect(datacenterOfContacts(['10.64.0.2:9042'], NODES)).toBe('eqiad');
    expect(datacenterOfContacts(['10.192.0.1:9042'], NODES)).toBe('codfw');
  });

  it('is that of the first, where contact points are in several', () => {
    expect(datacenterOfContacts(['10.64.0.1:9042', '10.192.0.1:9042'], NODES)).toBe('eqiad');
    expect(datacenterOfContacts(['10.192.0.1:9042', '10.64.0.1:9042'], NODES)).toBe('codfw');
  });

  it('is that of the next, where the first is no node any more', () => {
    expect(datacenterOfContacts(['10.64.0.9:9042', '10.192.0.1:9042'], NODES)).toBe('codfw');
  });

  it('is that of some node, where contact points are only the way in', () => {
    expect(datacenterOfContacts(['10.0.0.1:9042'], NODES)).toBe('codfw');
    expect(datacenterOfContacts([], NODES)).toBe('codfw');
  });

  it('is the one that is configured, if it exists', () => {
    expect(existing('eqiad', NODES)).toBe('eqiad');
    expect(() => existing('eqiat', NODES)).toThrow(
      'cassandra.local_dc is eqiat, but the datacenters of the cluster are: codfw, eqiad',
    );
  });

  it('is named among the others in an order that does not change', () => {
    expect(datacentersOf(NODES)).toEqual(['codfw', 'eqiad']);
    expect(datacentersOf([...NODES].reverse())).toEqual(['codfw', 'eqiad']);
  });
});
