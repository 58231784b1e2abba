import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format, resolveConfig } from 'prettier';
import { REPOSITORY } from '../../test/harness/repository.js';
import type { RunResult } from '../results.js';
import { cpuChart } from './chart.js';
import { markdown } from './markdown.js';
import { between } from './markers.js';

const PAGE = path.join(REPOSITORY, 'docs/performance.md');
const PICTURE = path.join(REPOSITORY, 'docs/performance.svg');

/** Writes the results into the page, whose prose around them stays, and the picture beside it. */
export async function writePage(run: RunResult): Promise<void> {
  const text = between(readFileSync(PAGE, 'utf8'), markdown(run));
  const style = await resolveConfig(PAGE);
  writeFileSync(PAGE, await format(text, { ...style, parser: 'markdown' }));
  writeFileSync(PICTURE, cpuChart(run));
}
