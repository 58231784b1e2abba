import { identitiesOf, namesIn } from './subject-names.js';

const namesOf = (subjectAltName?: string) => namesIn({ subjectAltName });

describe('the names in a certificate', () => {
  it.each([
    [undefined, { uris: [], dns: [] }],
    ['DNS:a.example', { uris: [], dns: ['a.example'] }],
    ['DNS:a, IP Address:10.0.0.1, URI:spiffe://x/y, DNS:b', { uris: ['spiffe://x/y'], dns: ['a', 'b'] }],
    ['URI:"spiffe://x/y, DNS:admin"', { uris: ['spiffe://x/y, DNS:admin'], dns: [] }],
    ['DNS:"a\\", DNS:\\"b"', { uris: [], dns: ['a", DNS:"b'] }],
    ['othername:<unsupported>, DNS:a', { uris: [], dns: ['a'] }],
    ['DirName:"CN=a, DNS:admin", URI:spiffe://x/y', { uris: ['spiffe://x/y'], dns: [] }],
  ])('are read from %p', (text, names) => expect(namesOf(text)).toEqual(names));

  it.each(['DNS:a, nothing', 'DNS:a"b, URI:x', 'DNS:"a', ', DNS:a', 'DNS:a,DNS:b'])(
    'are none where they cannot be told apart: %p',
    (text) => expect(namesOf(text)).toBeUndefined(),
  );
});

describe('an identity', () => {
  it('is the URI, whatever DNS names there are', () =>
    expect(identitiesOf({ uris: ['spiffe://x/Y'], dns: ['a'] })).toEqual(['spiffe://x/Y']));

  it('is any DNS name without regard to case where there is no URI', () =>
    expect(identitiesOf({ uris: [], dns: ['A.Example', 'b'] })).toEqual(['a.example', 'b']));

  it('is nobody with two URIs', () =>
    expect(identitiesOf({ uris: ['spiffe://x/y', 'spiffe://x/z'], dns: ['a'] })).toEqual([]));
});
