import type { Outcome } from './attack.js';

/** Of all attacks, as Markdown. */
export function report(outcomes: Outcome[]): string {
  return ['# Attacks', ...outcomes.flatMap(section)].join('\n\n');
}

function section({ title, told, wrong }: Outcome): string[] {
  const verdict =
    wrong.length > 0
      ? ['What should have been otherwise:', wrong.map((each) => `- ${each}`).join('\n')]
      : ['All was as it should be.'];
  return [`## ${title}`, ...told, ...verdict];
}
