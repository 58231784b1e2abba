import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY } from './repository.js';

/** What marks commands that no test runs, for readers; the block says so too, behind its language. */
const NOT_RUN = 'Not run by our tests:';
const FENCE = /^ *```/;

/** Commands of the operations manual, one fence of Markdown. */
export interface ManualBlock {
  /** Such as `install.md:12`. */
  place: string;
  script: string;
  /** What it prints, `…` standing for anything, if the page says so. */
  output?: string;
  isRun: boolean;
  /** Whether the page tells its readers that it is not run. */
  isMarked: boolean;
}

/** The pages that have commands, in the order in which they build on each other: that of README.md. */
export function manualPages(): string[] {
  const directory = path.join(REPOSITORY, 'docs/manual');
  const index = readFileSync(path.join(directory, 'README.md'), 'utf8');
  const linked = [...index.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, page]) => page as string);
  const missing = readdirSync(directory).filter((page) => page !== 'README.md' && !linked.includes(page));
  if (missing.length > 0) throw new Error(`docs/manual/README.md does not link ${missing.join(', ')}`);
  return [...new Set(linked)];
}

export function blocksOf(page: string): ManualBlock[] {
  const fences = fencesOf(readFileSync(path.join(REPOSITORY, 'docs/manual', page), 'utf8'));
  return fences.flatMap(({ info, line, text, before }, i) => {
    if (!/^sh\b/.test(info)) return [];
    const next = fences[i + 1];
    const output = next?.info === 'text' && next.follows === line ? next.text : undefined;
    const place = `${page}:${line}`;
    return [{ place, script: text, output, isRun: info === 'sh', isMarked: before === NOT_RUN }];
  });
}

/** A fence of Markdown, and the heading that it stands under. */
export interface Fence {
  heading: string;
  /** The first line, from 1. */
  line: number;
  info: string;
  text: string;
  /** The line of prose above it. */
  before: string;
  /** The first line of the fence above it, if nothing is between. */
  follows?: number;
}

export function fencesOf(markdown: string): Fence[] {
  const lines = markdown.split('\n');
  const fences: Fence[] = [];
  for (let i = 0, before = '', heading = '', previous: number | undefined; i < lines.length; i++) {
    const line = lines[i] as string;
    if (!FENCE.test(line)) {
      if (line.trim() === '') continue;
      heading = /^#+ (.*)/.exec(line)?.[1] ?? heading;
      before = line.trim();
      previous = undefined;
      continue;
    }
    const end = lines.findIndex((each, at) => at > i && FENCE.test(each));
    const indent = line.search(/\S/);
    const text = lines.slice(i + 1, end).map((each) => each.slice(indent));
    fences.push({
      heading,
      line: i + 1,
      info: line.trim().slice(3),
      text: text.join('\n'),
      before,
      follows: previous,
    });
    previous = i + 1;
    i = end;
  }
  return fences;
}
