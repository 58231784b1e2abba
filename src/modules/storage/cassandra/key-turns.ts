interface Queue<Shared> {
  last: Promise<unknown>;
  length: number;
  readonly shared: Partial<Shared>;
}

/** Lets those who want the same key act one after the other; what they share lasts for as long as one of them waits. */
export class KeyTurns<Shared> {
  private readonly queues = new Map<string, Queue<Shared>>();

  /** How many have their turn, or wait for it. */
  lengthOf(key: string): number {
    return this.queues.get(key)?.length ?? 0;
  }

  take<T>(key: string, act: (shared: Partial<Shared>) => Promise<T>): Promise<T> {
    const queue = this.queues.get(key) ?? { last: Promise.resolve(), length: 0, shared: {} };
    this.queues.set(key, queue);
    const mine = queue.last.then(() => act(queue.shared));
    const ended = mine.then(leave, leave);
    queue.last = ended;
    queue.length++;
    const { queues } = this;
    function leave(): void {
      queue.length--;
      if (queue.last === ended) queues.delete(key);
    }
    return mine;
  }
}
