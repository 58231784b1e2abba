import http from 'node:http';
import { type Answer, send } from '../endurance/request.js';

/** The namespace that the races are run in. */
export const ATOMIC = { races: { keys: ['race:*'], atomic: true } };

export interface Race {
  writers: number;
  created: string[];
  refused: number;
  /** Of those that were told that nobody knows, by an answer of 504: at most one may have won after all. */
  unknown: string[];
  /** Of the winner. */
  winnerMs: number;
  /** Until everybody was answered. */
  ms: number;
}

/** So many writers at once, each with a value of its own, want to create the same session; `urls` take turns. */
export async function raceToCreate(urls: readonly string[], writers: number): Promise<Race> {
  const began = performance.now();
  const agent = new http.Agent({ keepAlive: false });
  const answers = await Promise.all(
    Array.from({ length: writers }, async (_, i) => {
      const value = `writer ${i}`;
      const body = Buffer.from(value);
      const url = urls[i % urls.length] as string;
      const answer = await send('PUT', url, agent, body, undefined, { 'if-none-match': '*' });
      return { value, answer };
    }),
  );
  const answered = (status: number): { value: string; answer: Answer }[] =>
    answers.filter(({ answer }) => answer.status === status);
  const created = answered(201);
  return {
    writers,
    created: created.map(({ value }) => value),
    refused: answered(412).length,
    unknown: answered(504).map(({ value }) => value),
    winnerMs: Math.round(created[0]?.answer.ms ?? 0),
    ms: Math.round(performance.now() - began),
  };
}

/** What speaks against one winner: by what the writers were told, and by what is there afterwards at each URL. */
export async function wrongAfter(race: Race, urls: readonly string[]): Promise<string[]> {
  const { created, refused, unknown, writers } = race;
  const agent = new http.Agent({ keepAlive: false });
  const found = await Promise.all(urls.map(async (url) => (await send('GET', url, agent)).body.toString()));
  const wrong: string[] = [];
  if (created.length > 1) wrong.push(`${created.length} writers were told that they created it`);
  if (created.length + refused + unknown.length !== writers) wrong.push('some were answered otherwise');
  if (new Set(found).size > 1) wrong.push(`it is not the same everywhere: ${found.join(', ')}`);
  const mayHaveWon = created.length > 0 ? created : unknown;
  if (!mayHaveWon.includes(found[0] as string)) wrong.push(`it holds what did not win: ${found[0]}`);
  return wrong;
}

export function toldOf({ created, refused, unknown, winnerMs, ms }: Race): string {
  return `${created.length} created after ${winnerMs} ms, ${refused} refused, ${unknown.length} unknown; all answered after ${ms} ms`;
}
