import type { ClientSettings } from '../../config/settings.js';
import { Clients } from './clients.js';

const may = (...permissions: ClientSettings['may']): ClientSettings => ({ may: permissions });

describe('clients', () => {
  const clients = new Clients({
    clients: {
      'spiffe://prod/ns/mw/sa/web': may('read', 'write', 'delete'),
      'spiffe://prod/ns/mw/sa/*': may('read'),
      'spiffe://prod/ns/mw/sa/job-*': may('write'),
      'Scraper.Example': may('metrics'),
      'mobile.example': { may: ['read'], keys: ['enwiki:MWSession:', 'dewiki:'] },
    },
    proxies: ['Envoy.example'],
  });
  const rightsOf = (identity: string) =>
    (['read', 'write', 'delete', 'metrics'] as const).filter((each) => clients.find(identity)?.may(each));

  it.each([
    ['spiffe://prod/ns/mw/sa/web', ['read', 'write', 'delete']],
    ['spiffe://prod/ns/mw/sa/other', ['read']],
    ['spiffe://prod/ns/mw/sa/job-7', ['write']],
    ['spiffe://prod/ns/mw/sa/', ['read']],
    ['spiffe://prod/ns/mw/sa/job-7/x', []],
    ['spiffe://prod/ns/mw/sa', []],
    ['spiffe://prod/ns/MW/sa/web', []],
    ['spiffe://prod/ns/mw/sa/*', ['read']],
    ['scraper.example', ['metrics']],
    ['x.scraper.example', []],
    ['', []],
    ['__proto__', []],
  ])('%s', (identity, rights) => expect(rightsOf(identity)).toEqual(rights));

  it('own all keys, or those that begin as theirs do', () => {
    expect(clients.find('scraper.example')?.owns('any')).toBe(true);
    const mobile = clients.find('mobile.example');
    expect(mobile?.owns('dewiki:x')).toBe(true);
    expect(mobile?.owns('enwiki:MWSession:')).toBe(true);
    expect(mobile?.owns('enwiki:')).toBe(false);
    expect(mobile?.owns('xdewiki:')).toBe(false);
  });

  it('are not proxies, unless they are listed as such', () => {
    expect(clients.isProxy('envoy.example')).toBe(true);
    expect(clients.isProxy('scraper.example')).toBe(false);
  });
});
