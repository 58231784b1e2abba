export type Verdict = 'ok' | 'warn' | 'fail';

/** What an operator's command found, and what to do about it. */
export interface Finding {
  verdict: Verdict;
  what: string;
  found: string;
  /** A command, a statement or a sentence. */
  fix?: string;
}

export const ok = (what: string, found: string): Finding => ({ verdict: 'ok', what, found });
export const warn = (what: string, found: string, fix: string): Finding => ({
  verdict: 'warn',
  what,
  found,
  fix,
});
export const fail = (what: string, found: string, fix: string): Finding => ({
  verdict: 'fail',
  what,
  found,
  fix,
});
