/** The node that fails in a loop that goes on and on: its name tells of which loop, and after how many rounds. */
const prefix = 'graft/guard of ';

export const guardName = (loop: string, rounds: number): string => `${prefix}${loop} after ${rounds}`;

/** The loop that a failure of ONNX Runtime is due to. */
export function guardedLoop(message: string): { readonly loop: string; readonly rounds: number } | undefined {
  const [, loop, rounds] = new RegExp(`Name:'${prefix}(.*?) after (\\d+)`).exec(message) ?? [];
  return loop === undefined ? undefined : { loop, rounds: Number(rounds) };
}
