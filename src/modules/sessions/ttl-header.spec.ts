import { TtlHeader } from './ttl-header.js';

const expiring = new TtlHeader({ default_ttl: 60, max_ttl: 1_000 });
const lasting = new TtlHeader({ default_ttl: 0, max_ttl: 1_000 });

describe('Kask-TTL', () => {
  it('is default_ttl where there is none', () => {
    expect([expiring.secondsOf({}), lasting.secondsOf({})]).toEqual([60, 0]);
  });

  it.each([
    ['1', 1],
    ['1000', 1_000],
    ['007', 7],
  ])('may be %s', (text, seconds) => expect(expiring.secondsOf({ 'kask-ttl': text })).toBe(seconds));

  it('may be 0 where values never expire by default', () => {
    expect(lasting.secondsOf({ 'kask-ttl': '0' })).toBe(0);
    expect(() => expiring.secondsOf({ 'kask-ttl': '0' })).toThrow(
      'Kask-TTL is no whole number of seconds from 1 to',
    );
  });

  it.each(['', '1001', '-1', '+1', '1.5', '1e2', '0x10', ' 1', '1, 1', 'ever', '9999999999', '٣'])(
    'may not be %j',
    (text) => {
      expect(() => expiring.secondsOf({ 'kask-ttl': text })).toThrow(
        expect.objectContaining({
          problem: 'bad_request',
          detail: 'Kask-TTL is no whole number of seconds from 1 to 1000',
        }),
      );
    },
  );
});
