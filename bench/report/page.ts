import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { REPOSITORY } from '../../test/harness/repository.js';
import type { RunResult } from '../results.js';
import { cpuChart } from './chart.js';
import { markdown } from './markdown.js';

const PAGE = path.join(REPOSITORY, 'docs/performance.md');
const PICTURE = path.join(REPOSITORY, 'docs/performance.svg');
const BEGIN = '<!-- results: npm run bench -- --write -->';
const END = '<!-- end of results -->';

/** Writes the results into the page, whose prose around them stays, and the picture beside it. */
export async function writePage(run: RunResult): Promise<void> {
  const text = between(readFileSync(PAGE, 'utf8'), markdown(run));
  const style = await resolveConfig(PAGE);
  writeFileSync(PAGE, await format(text, { ...style, parser: 'markdown' }));
  writeFileSync(PICTURE, cpuChart(run));
}

/** The page with other results between its markers. */
export function between(page: string, results: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error('docs/performance.md has lost the markers of its results');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${results}\n\n${page.slice(end)}`;
}
