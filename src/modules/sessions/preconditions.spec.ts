import type { IncomingHttpHeaders } from 'node:http';
import type { Namespace } from '../namespaces/namespaces.js';
import { holds } from '../storage/session-store.js';
import { entityTagOf } from './entity-tag.js';
import { conditionOf, isNotModified } from './preconditions.js';

const VALUE = Buffer.from('value');
const TAG = entityTagOf(VALUE);
const OTHER = entityTagOf(Buffer.from('other'));
const ATOMIC = { name: 'carts', isAtomic: true } as Namespace;
const PLAIN = { name: 'sessions', isAtomic: false } as Namespace;

describe('an entity tag', () => {
  it('is strong, of 22 characters, the same for the same value and for no other', () => {
    expect(TAG).toMatch(/^"[\w-]{22}"$/);
    expect(entityTagOf(Buffer.from('value'))).toBe(TAG);
    expect(OTHER).not.toBe(TAG);
  });
});

describe('a reader', () => {
  it.each<[IncomingHttpHeaders, boolean]>([
    [{}, false],
    [{ 'if-none-match': TAG }, true],
    [{ 'if-none-match': `W/${TAG}` }, true],
    [{ 'if-none-match': '*' }, true],
    [{ 'if-none-match': OTHER }, false],
    [{ 'if-none-match': `${OTHER}, ${TAG}` }, true],
    [{ 'if-none-match': `,, "a,b" ,\t${TAG} ,` }, true],
    [{ 'if-none-match': `"", "${'x'.repeat(100)}"` }, false],
    [{ 'if-match': TAG }, false],
    [{ 'if-match': '*' }, false],
    [{ 'if-match': `W/${TAG}, ${TAG}` }, false],
    [{ 'if-match': TAG, 'if-none-match': TAG }, true],
    [{ 'if-match': TAG, 'if-none-match': OTHER }, false],
  ])('who sends %j has the value: %j', (headers, expected) => {
    expect(isNotModified(headers, TAG)).toBe(expected);
  });

  it.each<IncomingHttpHeaders>([
    { 'if-match': OTHER },
    { 'if-match': `W/${TAG}` },
    { 'if-match': OTHER, 'if-none-match': TAG },
  ])('who sends %j is told that it is another', (headers) => {
    expect(() => isNotModified(headers, TAG)).toThrow(expect.objectContaining({ status: 412 }));
  });
});

describe('a list of entity tags', () => {
  it.each([
    '',
    ' ',
    ',',
    'tag',
    '"tag',
    'tag"',
    '"a" "b"',
    'w/"a"',
    'W/ "a"',
    '*, "a"',
    '"a", *',
    '" "',
    "'a'",
  ])('%j is none', (text) => {
    for (const header of ['if-match', 'if-none-match'])
      expect(() => isNotModified({ [header]: text }, TAG)).toThrow(
        expect.objectContaining({ problem: 'bad_request' }),
      );
    expect(() => conditionOf({ 'if-match': text }, ATOMIC)).toThrow(expect.objectContaining({ status: 400 }));
  });

  it('is read in a time that grows with its length, whatever it holds', () => {
    for (const text of [
      `${' '.repeat(16_000)}x`,
      ','.repeat(16_000),
      '"a" '.repeat(4_000),
      '"'.repeat(16_000),
    ]) {
      const started = performance.now();
      expect(() => isNotModified({ 'if-match': text }, TAG)).toThrow();
      expect(performance.now() - started).toBeLessThan(1_000);
    }
  });
});

describe('the condition of a write', () => {
  it('is none where the namespace is not atomic and none is asked for', () => {
    expect(conditionOf({}, PLAIN, true)).toBeUndefined();
  });

  it.each(['if-match', 'if-none-match'])('may not be asked for there: %s', (header) => {
    expect(() => conditionOf({ [header]: '*' }, PLAIN, true)).toThrow(
      expect.objectContaining({
        problem: 'not_atomic',
        detail: 'The namespace sessions is not declared atomic',
      }),
    );
  });

  // What holds when nothing is stored, when the value is, and when another one is.
  it.each<[IncomingHttpHeaders, boolean[]]>([
    [{}, [true, true, true]],
    [{ 'if-none-match': '*' }, [true, false, false]],
    [{ 'if-match': '*' }, [false, true, true]],
    [{ 'if-match': TAG }, [false, true, false]],
    [{ 'if-match': `${OTHER}, ${TAG}` }, [false, true, true]],
    [{ 'if-match': `W/${TAG}` }, [false, false, false]],
  ])('%j holds as it should', (headers, expected) => {
    const condition = conditionOf(headers, ATOMIC, true)!;
    const stored = [undefined, VALUE, Buffer.from('other')];
    expect(stored.map((value) => holds(condition, value))).toEqual(expected);
  });

  it.each<[IncomingHttpHeaders, boolean]>([
    [{ 'if-none-match': TAG }, true],
    [{ 'if-none-match': '*' }, false],
    [{ 'if-match': '*', 'if-none-match': '*' }, true],
  ])('is a fault where it makes no sense: %j', (headers, creates) => {
    expect(() => conditionOf(headers, ATOMIC, creates)).toThrow(
      expect.objectContaining({ problem: 'bad_request' }),
    );
  });
});
