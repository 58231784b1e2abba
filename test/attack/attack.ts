export interface AttackOptions {
  seed: number;
  /** Of the fuzzer. */
  requests: number;
  /** The number of its first. */
  from: number;
  tell: (text: string) => void;
}

export interface Outcome {
  title: string;
  /** Markdown: what was done, and what came of it. */
  told: string[];
  /** What should have been otherwise. */
  wrong: string[];
}
