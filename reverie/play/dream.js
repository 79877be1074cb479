// The dream in a page without a server: what `session.py` and `room.py` are for a page with one.
// The interface stands in index.html; this answers what it sends. The networks are ONNX files, run
// by onnxruntime-web; what they are is said in dream.json. Random numbers are those of `draws.py`,
// so that a seed dreams here what it dreams there.
import * as ort from "./ort.wasm.bundle.min.mjs";

const FORCED = 1e6;             // Gumbel noise that no logit overcomes
const STREAMS = {dream: 1, game: 2};
const SOON = 1000 / 60;         // milliseconds between two steps at least, where a key hurries one
const SEEDS = 2 ** 31;
const PERSON = "person", CONTROLLER = "controller";

// ---- random numbers ---------------------------------------------------------------------------

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];

function threefry(key, counter) {
  const keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA];
  let left = counter[0] + keys[0] | 0, right = counter[1] + keys[1] | 0;
  for (let number = 0; number < 20; number++) {
    const turn = ROTATIONS[(number >> 2) % 2][number % 4];
    left = left + right | 0;
    right = (right << turn | right >>> 32 - turn) ^ left;
    if (number % 4 === 3) {
      const block = (number >> 2) + 1;
      left = left + keys[block % 3] | 0;
      right = right + keys[(block + 1) % 3] + block | 0;
    }
  }
  return [left >>> 0, right >>> 0];
}

class Draws {
  constructor(seed, stream, branch, step) {
    this.key = [seed, branch << 8 | stream];
    this.step = step;
    this.used = 0;
  }

  uniform(count) {
    const words = [];
    while (words.length < count) words.push(...threefry(this.key, [this.step, this.used++]));
    return words.slice(0, count).map((word) => (word + 0.5) / 2 ** 32);
  }

  gumbel(count) {
    return this.uniform(count).map((u) => -Math.log(-Math.log(u)));
  }

  normal(count) {
    const numbers = [], pairs = this.uniform(2 * Math.ceil(count / 2));
    for (let n = 0; n < pairs.length; n += 2) {
      const radius = Math.sqrt(-2 * Math.log(pairs[n])), angle = 2 * Math.PI * pairs[n + 1];
      numbers.push(radius * Math.cos(angle), radius * Math.sin(angle));
    }
    return numbers.slice(0, count);
  }
}

// ---- actions ----------------------------------------------------------------------------------

class Actions {
  constructor({choices, start, low, high, rest, bindings}) {
    Object.assign(this, {choices, start, low, high, rest, bindings});
    this.discrete = choices.length > 0;
  }

  // Of the held keys: opposite ones cancel where an action is a number, the longest chord wins
  // where it is a choice.
  ofKeys(held) {
    return this.rest.map((rest, index) => {
      const meant = this.bindings.filter((b) => b.index === index && b.keys.every((key) => held.has(key)));
      if (this.discrete) {
        return meant.length ? meant.reduce((a, b) => b.keys.length > a.keys.length ? b : a).value : rest;
      }
      const value = meant.reduce((sum, binding) => sum + binding.value - rest, rest);
      return Math.min(Math.max(value, this.low[index]), this.high[index]);
    });
  }

  encode(action) {
    if (!this.discrete) {
      return action.map((v, i) => (v - (this.high[i] + this.low[i]) / 2) / ((this.high[i] - this.low[i]) / 2));
    }
    return this.choices.flatMap((count, i) => Array.from({length: count}, (_, k) => Number(k === action[i] - this.start[i])));
  }

  decode(code) {
    if (!this.discrete) {
      return code.map((v, i) => (this.high[i] + this.low[i]) / 2 + (this.high[i] - this.low[i]) / 2 * v);
    }
    let place = 0;
    return this.choices.map((count, i) => {
      const part = code.slice(place, place += count);
      return part.indexOf(Math.max(...part)) + this.start[i];
    });
  }
}

// ---- the networks -----------------------------------------------------------------------------

class Networks {
  static async load(notes) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = {wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href};
    const networks = new Networks();
    Object.assign(networks, notes, {sessions: {}});
    for (const name of notes.networks) {
      networks.sessions[name] = await ort.InferenceSession.create(new URL(`${name}.onnx`, import.meta.url).href);
    }
    const first = await fetch(new URL("first_frames.bin", import.meta.url));
    networks.first = new Float32Array(await first.arrayBuffer());
    return networks;
  }

  async run(name, inputs) {
    const tensors = {};
    for (const [key, [values, shape]] of Object.entries(inputs)) {
      if (!this.sessions[name].inputNames.includes(key)) continue;
      tensors[key] = new ort.Tensor("float32", Float32Array.from(values), shape);
    }
    const outputs = await this.sessions[name].run(tensors);
    return Object.fromEntries(Object.entries(outputs).map(([key, tensor]) => [key, tensor.data]));
  }

  state({z, h, c}) {
    return {z: [z, [1, this.latents]], h: [h, [1, this.units]], c: [c, [1, this.units]]};
  }

  // Where a dream begins: the latent of a recorded first frame, drawn from its posterior.
  begin(draws) {
    const size = this.latents, episodes = this.first.length / (2 * size);
    const place = Math.floor(draws.uniform(1)[0] * episodes) * 2 * size;
    const mu = this.first.subarray(place, place + size), logvar = this.first.subarray(place + size, place + 2 * size);
    const z = Float32Array.from(draws.normal(size), (noise, i) => mu[i] + Math.fround(Math.exp(0.5 * logvar[i])) * noise);
    return {z, h: new Float32Array(this.units), c: new Float32Array(this.units)};
  }

  async step(state, code, knobs, draws) {
    const count = this.choices.reduce((product, side) => product * side, 1);
    const choice = draws.gumbel(count), spread = draws.normal(this.latents), chance = draws.uniform(1)[0];
    if (knobs.component !== null) {
      for (let n = knobs.component; n < count; n += this.choices.at(-1)) choice[n] += FORCED;
    }
    const seen = await this.run("step", {
      ...this.state(state),
      code: [code, [1, code.length]],
      choice: [choice, [1, ...this.choices]],
      spread: [spread, [1, this.latents]],
      heat: [[knobs.temperature, knobs.spread ?? knobs.temperature], [2]],
    });
    return {
      state: {z: seen.next_z, h: seen.next_h, c: seen.next_c},
      reward: seen.reward[0],
      end: seen.end[0],
      ended: chance < seen.end[0] && !knobs.endless,
      weights: [...seen.weights],
      component: this.joint ? Number(seen.component[0]) : null,
    };
  }

  // What a state looks like: a picture, and what the detector sees in it.
  async show(state) {
    const {frame, statements} = await this.run("decode", {z: this.state(state).z});
    const [rows, columns] = this.frame, pixels = new Uint8ClampedArray(4 * rows * columns);
    for (let n = 0; n < rows * columns; n++) {
      for (let k = 0; k < 3; k++) pixels[4 * n + k] = 255 * frame[3 * n + k];
      pixels[4 * n + 3] = 255;
    }
    return {picture: await createImageBitmap(new ImageData(pixels, columns, rows)), seen: this.counts(statements)};
  }

  counts(statements) {
    if (!statements) return {};
    const counts = {};
    this.detector.forEach(({name, floor, threshold}, n) => {
      counts[name] = (counts[name] ?? floor) + Number(statements[n] > threshold);
    });
    return counts;
  }

  async act(state) {
    return [...(await this.run("act", this.state(state))).code];
  }
}

// ---- what is played ---------------------------------------------------------------------------

const short = (value) => Number(value.toPrecision(5));
const asleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

class Dream {
  constructor(notes, networks) {
    this.notes = notes;
    this.networks = networks;
    this.actions = new Actions(notes.actions);
    this.knobs = {temperature: notes.temperature, spread: null, component: null, endless: false};
    this.player = PERSON;
    this.running = false;
    this.waiting = true;
    this.speed = 1;
    this.held = new Set();
    this.pressed = new Set();
    this.hurry = () => {};
  }

  get over() {
    return this.moments.at(-1).over;
  }

  draws(stream) {
    return new Draws(this.seed, STREAMS[stream], this.branch, this.moments.length);
  }

  reset(seed) {
    this.seed = seed % SEEDS;
    this.branch = 0;
    this.moments = [];
    const state = this.networks.begin(this.draws("game"));
    const row = {action: [], by: "", ms: 0, dream: {reward: 0, end: 0, over: false, weights: [], component: null, seen: {}}};
    this.moments = [{state, over: false, row}];
  }

  async advance() {
    if (this.over) return;
    const start = performance.now(), last = this.moments.at(-1);
    const code = this.player === CONTROLLER ? await this.networks.act(last.state) : null;
    const action = code ? this.actions.decode(code) : this.actions.ofKeys(new Set([...this.held, ...this.pressed]));
    this.pressed.clear();
    const dreamt = await this.networks.step(last.state, this.actions.encode(action), this.knobs, this.draws("dream"));
    const {picture, seen} = await this.networks.show(dreamt.state);
    const over = dreamt.ended || this.moments.length >= this.notes.time_steps;
    const dream = {
      reward: short(dreamt.reward), end: short(dreamt.end), over, component: dreamt.component, seen,
      weights: dreamt.weights.map((weight) => Number(weight.toFixed(4))),
    };
    const row = {action: action.map((v) => Number(v.toFixed(3))), by: this.player, ms: short(performance.now() - start), dream};
    this.moments.push({state: dreamt.state, over, row});
    this.tell([row], picture);
    if (over) {
      this.running = false;
      this.tellState();
    }
  }

  // Play on for as long as the page is open.
  async play() {
    for (let due = performance.now(); ;) {
      if (!this.running) {
        await this.hurried();
        due = performance.now();
        continue;
      }
      await this.turn(() => this.running && this.advance());
      const began = due, period = this.speed ? 1000 / (this.notes.about.fps * this.speed) : 0;
      due = Math.max(due + period, performance.now() - period);
      const least = Math.max(Math.min(began + SOON, due) - performance.now(), 0);
      await asleep(least);
      const left = due - performance.now();
      if (left > 0) await Promise.race([asleep(left), this.hurried()]);
    }
  }

  hurried() {
    return new Promise((done) => { this.hurry = done; });
  }

  // One thing after the other: the networks are asked by the loop and by what the person does.
  turn(what) {
    this.queue = (this.queue ?? Promise.resolve()).then(what).catch(fail);
    return this.queue;
  }

  tell(rows, picture) {
    const moment = this.moments.length - 1;
    receivePictures({type: "now", moment, start: this.moments.length - rows.length, rows}, {dream: picture});
    picture.close();
  }

  state() {
    const {running, waiting, speed, seed, player, knobs, over} = this;
    return {running, waiting, speed, seed, player, knobs, over, view: "dream", recording: false, kept: [], count: 0, notice: ""};
  }

  tellState() {
    receive({type: "state", ...this.state()});
  }

  async tellAgain() {
    const {picture} = await this.networks.show(this.moments.at(-1).state);
    this.tell(this.moments.map((moment) => moment.row), picture);
  }

  // Wait for a person's first key; let an agent play at once.
  begin() {
    this.running = this.player !== PERSON;
    this.waiting = !this.running;
  }

  run(on) {
    this.running = on;
    this.waiting = false;
  }

  async look(moment) {
    const {picture} = await this.networks.show(this.moments[moment].state);
    receivePictures({type: "look", moment, rows: []}, {dream: picture});
    picture.close();
  }

  hold(keys) {
    const pressed = keys.filter((key) => !this.held.has(key));
    pressed.forEach((key) => this.pressed.add(key));
    this.held = new Set(keys);
    if (!pressed.length) return;
    if (this.waiting && !this.over) {
      this.run(true);
      this.tellState();
    }
    this.hurry();
  }

  // Do what the page asks for.
  async change(type, values) {
    if (type === "run") this.run(values.on && !this.over);
    if (type === "speed") this.speed = values.factor;
    if (type === "knobs") this.knobs = values;
    if (type === "step") {
      this.run(false);
      await this.advance();
    }
    if (type === "choose") {
      this.player = values.player;
      if (this.waiting && this.player !== PERSON) this.run(true);
    }
    if (type === "reset") {
      this.reset(values.seed ?? this.seed + 1);
      this.begin();
      await this.tellAgain();
    }
    if (type === "goback") {
      this.moments.length = values.moment + 1;
      this.branch++;
      this.begin();
      await this.tellAgain();
    }
    this.tellState();
    this.hurry();
  }

  send(type, values) {
    if (type === "keys") this.hold(values.held);
    else if (type === "look") this.turn(() => this.look(values.moment));
    else if (type !== "seen") this.turn(() => this.change(type, values));
  }
}

function fail(error) {
  console.error(error);
  receive({type: "error", text: `the dream has stopped: ${error.message}`});
}

async function start() {
  const notes = await (await fetch(new URL("dream.json", import.meta.url))).json();
  const dream = new Dream(notes, await Networks.load(notes.networks));
  dream.reset(notes.seed);
  link = dream;
  receive({type: "hello", ...notes.about, ...dream.state()});
  await dream.tellAgain();
  dream.play();
}

start().catch(fail);
