import type { Problem } from '../../problems/problem.js';
import { parseSessionKey } from './session-key.js';

function problemOf(rest: string): { status: number; detail: string } {
  try {
    parseSessionKey(rest);
  } catch (problem) {
    const { status, detail } = problem as Problem;
    return { status, detail };
  }
  throw new Error(`${rest} was taken for a key`);
}

describe('parseSessionKey', () => {
  it.each([
    ['k', 'k'],
    ['wiki:MWSession:g1mvh4', 'wiki:MWSession:g1mvh4'],
    ['wiki%3AMWSession%3ag1mvh4', 'wiki:MWSession:g1mvh4'],
    ['a%2Fb', 'a/b'],
    ['a%252Fb', 'a%2Fb'],
    ['a+b', 'a+b'],
    ['a%20b', 'a b'],
    ['%3F%23', '?#'],
    ['caf%C3%A9', 'café'],
    [Buffer.from('café').toString('latin1'), 'café'],
    ['%EF%BB%BFbom', '\uFEFFbom'],
    ['__proto__', '__proto__'],
    ['..', '..'],
    [`Parser%27s_%22broken%22_%2B_%28page%29_%26_grill`, `Parser's_"broken"_+_(page)_&_grill`],
    ['x'.repeat(1_024), 'x'.repeat(1_024)],
    ['%C3%A9'.repeat(512), 'é'.repeat(512)],
  ])('reads %p', (rest, key) => {
    expect(parseSessionKey(rest)).toBe(key);
  });

  it.each([
    ['', 404, 'There is no key in the path'],
    ['a/b', 404, 'A key is one path segment; a slash in it is written %2F'],
    ['a/', 404, 'A key is one path segment; a slash in it is written %2F'],
    ['a?b=c', 400, 'A query string is not allowed here'],
    ['?b=c', 400, 'A query string is not allowed here'],
    ['a%', 400, 'The key has a percent sign that two hexadecimal digits do not follow'],
    ['a%2', 400, 'The key has a percent sign that two hexadecimal digits do not follow'],
    ['a%zz', 400, 'The key has a percent sign that two hexadecimal digits do not follow'],
    ['%FF', 400, 'The key is not valid UTF-8'],
    ['%C0%AF', 400, 'The key is not valid UTF-8'],
    ['%ED%A0%80', 400, 'The key is not valid UTF-8'],
    ['caf%C3', 400, 'The key is not valid UTF-8'],
    ['\u00ff', 400, 'The key is not valid UTF-8'],
    ['a%00b', 400, 'The key contains a NUL character'],
    ['x'.repeat(1_025), 400, 'The key is longer than 1024 bytes'],
    ['%C3%A9'.repeat(513), 400, 'The key is longer than 1024 bytes'],
  ])('refuses %p', (rest, status, detail) => {
    expect(problemOf(rest)).toEqual({ status, detail });
  });
});
