import type { Terminal } from '../terminal.js';
import { seen } from './import-counts.js';
import { BEGINNING, type ImportState } from './import-state.js';
import { shareDone } from './redis-sessions.js';

const BAR_CHARACTERS = 20;
/** Between two looks of a terminal, and two lines elsewhere, in ms. */
const BAR_EVERY_MS = 200;
const LINE_EVERY_MS = 10_000;

/** Tells how far an import is: a bar on a terminal, a line now and then elsewhere. */
export class ImportProgress {
  private readonly began = performance.now();
  private toldAt = this.began;
  private readonly shareBefore: number;
  private readonly seenBefore: number;

  constructor(
    private readonly terminal: Terminal,
    { cursor, counts }: ImportState,
  ) {
    this.shareBefore = shareDone(cursor);
    this.seenBefore = seen(counts);
  }

  /** Of this run alone. */
  get seconds(): number {
    return (performance.now() - this.began) / 1_000;
  }

  perSecond({ counts }: ImportState): number {
    return Math.round((seen(counts) - this.seenBefore) / Math.max(this.seconds, 0.001));
  }

  tell(state: ImportState): void {
    const now = performance.now();
    const { isTerminal } = this.terminal;
    if (now - this.toldAt < (isTerminal ? BAR_EVERY_MS : LINE_EVERY_MS)) return;
    this.toldAt = now;
    const share = state.cursor === BEGINNING ? 1 : shareDone(state.cursor);
    const words = this.words(state, share);
    if (isTerminal) this.terminal.progress(`${bar(share)} ${words}`);
    else this.terminal.line(words);
  }

  private words(state: ImportState, share: number): string {
    const speed = `${seen(state.counts).toLocaleString('en')} seen, ${this.perSecond(state).toLocaleString('en')}/s`;
    const leftSeconds = (this.seconds * (1 - share)) / (share - this.shareBefore);
    const left = Number.isFinite(leftSeconds) && leftSeconds >= 0 ? `, ${Math.ceil(leftSeconds)} s left` : '';
    return `${String(Math.floor(share * 100)).padStart(3)} %  ${speed}${left}`;
  }
}

function bar(share: number): string {
  const done = Math.round(share * BAR_CHARACTERS);
  return `[${'#'.repeat(done)}${'-'.repeat(BAR_CHARACTERS - done)}]`;
}
