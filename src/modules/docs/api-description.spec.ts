import { readFileSync } from 'node:fs';
import { withBaseUri } from '../openapi/openapi.module.js';
import { readApiDescription } from './api-description.js';
import { CONTENT_SECURITY_POLICY, page } from './markup.js';

const OWN = withBaseUri(readFileSync('openapi/kask.yaml', 'utf8'), '/v1/');
const OPERATION = '{ responses: { 200: { description: fine } } }';

describe('readApiDescription', () => {
  it('finds every operation of our own document, under its tag', () => {
    const { groups, title } = readApiDescription(OWN);
    expect(title).toBe('Kask');
    expect(groups.map(({ name }) => name)).toEqual(['sessions', 'operation']);
    const methods = groups[0]?.operations.map(({ method }) => method);
    expect(methods).toEqual(expect.arrayContaining(['GET', 'HEAD', 'POST', 'PUT', 'DELETE']));
    for (const { responses, summary, parameters } of groups.flatMap(({ operations }) => operations)) {
      expect(summary).not.toBe('');
      expect(responses.every(({ description }) => description !== '')).toBe(true);
      expect(parameters.every(({ name, place }) => name !== '' && place !== '')).toBe(true);
    }
  });

  it('tells the header fields of all responses once', () => {
    const response = (names: string) => `{ headers: { ${names} } }`;
    const responses = `{ 200: ${response('A: {}, B: {}')}, 404: ${response('B: {}, C: {}')} }`;
    const { commonHeaders, groups } = readApiDescription(
      `paths: { /a: { get: { responses: ${responses} } } }`,
    );
    expect(commonHeaders).toEqual(['B']);
    expect(groups[0]?.operations[0]?.responses.map(({ headers }) => headers)).toEqual([['A'], ['C']]);
  });

  it('follows references, and those that lead nowhere to nothing', () => {
    const text = `
components:
  responses:
    'a/b~c': { description: found }
    circle: { $ref: '#/components/responses/circle' }
paths:
  /a:
    get:
      responses:
        '200': { $ref: '#/components/responses/a~1b~0c' }
        '400': { $ref: '#/components/responses/circle' }
        '404': { $ref: '#/nowhere/at/all' }
        '500': { $ref: 'https://elsewhere.example/#/a' }
        '501': { $ref: '#/constructor/prototype' }
`;
    const [operation] = readApiDescription(text).groups[0]?.operations ?? [];
    const found = operation?.responses.map(({ status, description }) => [status, description]);
    expect(found).toEqual([
      ['200', 'found'],
      ['400', ''],
      ['404', ''],
      ['500', ''],
      ['501', ''],
    ]);
  });

  it.each([
    ['', 'it describes no operation'],
    ['[1, 2]', 'it describes no operation'],
    ['paths: { /a: { x-get: {} } }', 'it describes no operation'],
    ['a: b: c', /nested|mapping/i],
    ['a: &a [*b]', /alias/i],
    [`a: &a [x]\n${bomb()}`, /alias/i],
  ])('says what is wrong with %j', (text, why) => {
    expect(() => readApiDescription(text)).toThrow(why);
  });

  it.each(['{ 1: 2 }', '[]', 'text', '~', '{ get: ~ }', '{ get: { parameters: { a: 1 }, responses: [1] } }'])(
    'takes a path of %s for one that tells nothing',
    (item) => {
      const { groups } = readApiDescription(`paths: { /a: ${item}, /b: { get: ${OPERATION} } }`);
      expect(groups.flatMap(({ operations }) => operations).at(-1)?.path).toBe('/b');
    },
  );
});

/** Whose aliases come to 10^9 items. */
function bomb(): string {
  const names = [...'abcdefghi'];
  const lines = names.slice(1).map((name, index) => `${name}: &${name} [${`*${names[index]},`.repeat(10)}]`);
  return lines.join('\n');
}

describe('the page', () => {
  const attack = `"'><script>alert(1)</script><img src=x onerror=alert(1)>\``;

  it('shows what a document says as text, wherever it stands', () => {
    const api = readApiDescription(
      JSON.stringify({
        info: { title: attack, version: attack, description: attack },
        tags: [{ name: attack, description: attack }],
        paths: {
          [`/${attack}`]: {
            get: {
              tags: [attack],
              summary: attack,
              description: attack,
              parameters: [{ name: attack, in: attack, description: attack }],
              requestBody: { description: attack },
              responses: {
                [attack]: { description: attack, headers: { [attack]: {} }, content: { [attack]: {} } },
                200: {},
              },
            },
          },
        },
      }),
    );
    for (const markup of [page(api, attack), page(new Error(attack), attack)]) {
      expect(markup).not.toMatch(/<img|<script>|"'/);
      expect(markup).toContain('&#60;img src=x onerror=alert(1)&#62;');
    }
  });

  it('has no script, no style and no handler in its markup, which its policy forbids', () => {
    const markup = page(readApiDescription(OWN), '/v1/');
    expect(markup).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:|https?:/i);
    expect(markup.match(/<script[^>]*>[^<]*/g)).toEqual(['<script type="module" src="/docs/page.js">']);
    expect(CONTENT_SECURITY_POLICY).not.toMatch(/unsafe|\*|https?:/);
  });
});
