interface Queue<Shared> {
  last: Promise<unknown>;
  readonly shared: Partial<Shared>;
}

/** Lets those who want the same key act one after the other; what they share lasts for as long as one of them waits. */
export class KeyTurns<Shared> {
  private readonly queues = new Map<string, Queue<Shared>>();

  take<T>(key: string, act: (shared: Partial<Shared>) => Promise<T>): Promise<T> {
    const queue = this.queues.get(key) ?? { last: Promise.resolve(), shared: {} };
    this.queues.set(key, queue);
    const mine = queue.last.then(() => act(queue.shared));
    const ended = mine.then(leave, leave);
    queue.last = ended;
    const { queues } = this;
    function leave(): void {
      if (queue.last === ended) queues.delete(key);
    }
    return mine;
  }
}
