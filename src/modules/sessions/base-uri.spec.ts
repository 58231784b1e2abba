import { BaseUri } from './base-uri.js';

describe('BaseUri', () => {
  const baseUri = new BaseUri('/sessions/v1/');

  it.each([
    ['/sessions/v1/key', true],
    ['/sessions/v1/', true],
    ['/sessions/v1/a/b', true],
    ['/sessions/v1/%zz?x', true],
    ['http://host:8080/sessions/v1/key', true],
    ['/sessions/v1', false],
    ['/sessions/v2/key', false],
    ['/healthz', false],
    ['/', false],
    ['*', false],
    ['host:443', false],
    ['http://host', false],
  ])('covers %p: %p', (target, covered) => {
    expect(baseUri.covers(target)).toBe(covered);
  });

  it('gives what follows it, as it came', () => {
    expect(baseUri.rest('/sessions/v1/a%2Fb?c=d')).toBe('a%2Fb?c=d');
    expect(baseUri.rest('http://host/sessions/v1/key')).toBe('key');
  });

  it('leaves the other endpoints alone where it is the root', () => {
    const root = new BaseUri('/');
    expect(root.covers('/healthz/ready?x')).toBe(false);
    expect(root.covers('/metrics')).toBe(false);
    expect(root.covers('/healthy')).toBe(true);
    expect(root.rest('/key')).toBe('key');
  });
});
