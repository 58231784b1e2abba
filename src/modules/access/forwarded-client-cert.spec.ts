import { namesForwarded } from './forwarded-client-cert.js';

describe('x-forwarded-client-cert', () => {
  it.each([
    ['By=spiffe://a;Hash=0a;Subject="CN=x, O=\\"y;z\\"";URI=spiffe://m/w', ['spiffe://m/w'], []],
    ['By=spiffe://a;URI=spiffe://m/w;DNS=a;DNS=b', ['spiffe://m/w'], ['a', 'b']],
    ['by=q;uri=spiffe://m/w', ['spiffe://m/w'], []],
    ['Hash=0a;Cert="-----BEGIN%20CERTIFICATE-----%0A";URI=', [], []],
    ['URI="spiffe://m/w,1;2"', ['spiffe://m/w,1;2'], []],
    ['Hash=0a', [], []],
  ])('%s', (header, uris, dns) => expect(namesForwarded(header)).toEqual({ uris, dns }));

  it('is believed only in what the last proxy added', () =>
    expect(namesForwarded('URI=spiffe://forged;DNS=forged, By=x;URI=spiffe://real')).toEqual({
      uris: ['spiffe://real'],
      dns: [],
    }));

  it('keeps what is in quotes from looking like an element', () =>
    expect(namesForwarded('Subject="CN=a,URI=spiffe://forged";URI=spiffe://real')).toEqual({
      uris: ['spiffe://real'],
      dns: [],
    }));

  it.each([
    '',
    ' ',
    'spiffe://m/w',
    'URI',
    'URI="spiffe://m/w',
    'URI=spiffe://m/w;',
    'URI=spiffe://m/w,',
    ',URI=spiffe://m/w',
    'URI=spiffe://forged,',
    'URI=a"b;URI=c',
    'URI="a"b',
    'URI =a',
    'U\0RI=a',
  ])('names nobody when it is written otherwise: %p', (header) =>
    expect(namesForwarded(header)).toBeUndefined(),
  );

  it('takes no time that grows with the square of its length', () => {
    const started = performance.now();
    // Ten times what a head can be: the square would be half a minute.
    namesForwarded('URI="' + '\\'.repeat(150_000));
    namesForwarded(`${'a='.repeat(80_000)}"`);
    namesForwarded(`URI=${' '.repeat(150_000)}"`);
    namesForwarded(`URI="a"${' '.repeat(150_000)}"`);
    namesForwarded(`${' '.repeat(150_000)}"`);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
