import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(__dirname, '..');
const documents = [
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.join('docs', file)),
  ...readdirSync(path.join(root, 'clients'))
    .map((client) => path.join('clients', client, 'README.md'))
    .filter((file) => existsSync(path.join(root, file))),
];

/** Targets of links to files, from the root. */
function linked(document: string, text: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, target]) => target as string);
  const files = targets.filter((target) => !/^[a-z]+:/.test(target));
  return files.map((target) => path.join(path.dirname(document), target));
}

/** Paths in code and prose, from the root; of `src/modules/*` the folder. */
function named(text: string): string[] {
  const paths = text.matchAll(
    /(?<![\w./-])(?:src|test|docs|ops|config|openapi|scripts|bench|\.ci)\/[\w./-]*\w/g,
  );
  return [...paths].map(([name]) => name);
}

/** Documents and anchors that links point to, from the root. */
function anchored(document: string, text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s#:]*\.md)?#([^)\s]+)\)/g)].map(
    ([, file, anchor]) => `${file ? path.join(path.dirname(document), file) : document}#${anchor as string}`,
  );
}

/** As GitHub makes them of headings. */
function anchorsOf(document: string): string[] {
  const headings = readFileSync(path.join(root, document), 'utf8').matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading = '']) => {
    const words = heading.replace(/\]\([^)]*\)/g, '').replace(/[^\p{L}\p{N} _-]/gu, '');
    return `${document}#${words.toLowerCase().replaceAll(' ', '-')}`;
  });
}

describe.each(documents)('%s', (document) => {
  const text = readFileSync(path.join(root, document), 'utf8');

  it('names and links to nothing that is gone', () => {
    const files = [...linked(document, text), ...named(text)];
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  it('links to no heading that is gone', () => {
    const links = anchored(document, text).filter((link) => documents.includes(link.split('#')[0] as string));
    expect(links.filter((link) => !anchorsOf(link.split('#')[0] as string).includes(link))).toEqual([]);
  });
});

it('the documents hold links and paths to look at', () => {
  const texts = documents.map(
    (document) => [document, readFileSync(path.join(root, document), 'utf8')] as const,
  );
  expect(texts.flatMap(([document, text]) => linked(document, text))).toContain(
    'docs/adr/0002-lmdb-for-the-embedded-store.md',
  );
  expect(texts.flatMap(([, text]) => named(text))).toContain('test/e2e/shutdown.e2e-spec.ts');
});
