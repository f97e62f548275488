/** Run as a process of its own: writes shards from number N on until it is killed, and says each one that is written. */
import { numberedShard, openTinyStore } from './tiny-store.js';

const [, , cache, first] = process.argv as [string, string, string, string];
const store = await openTinyStore(cache);
for (let number = Number(first); ; number++) {
  await store.addShard(numberedShard(number));
  console.log(number);
}
