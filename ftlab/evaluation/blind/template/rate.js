// The rating page: shows one question at a time, keeps votes (on the server, or in this browser), speaks two languages.
// Text of questions and answers is already in the page; the script only shows and hides it, and writes text, never markup.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const data = JSON.parse($("data").textContent);
  const items = all(".item");
  const votes = new Map(Object.entries(data.votes));
  const drafts = new Map();
  const sides = ["left", "right"];
  const marked = { yes: true, no: false, open: null };
  let language = data.language;
  let here = 0;
  let busy = false;

  // Storage may be refused (private windows, files): then nothing is kept, and the page says so.
  const memory = {
    get(key) {
      try { return localStorage.getItem(key); } catch { return null; }
    },
    set(key, value) {
      try { localStorage.setItem(key, value); return localStorage.getItem(key) === value; } catch { return false; }
    },
  };

  // ---- Words

  const say = (key, values = {}) =>
    data.words[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

  function tell(key, values, kind = "") {
    $("said").textContent = key ? say(key, values) : "";
    $("said").className = kind;
  }

  function speak(code) {
    language = code;
    memory.set("ftlab-blind-language", code);
    document.documentElement.lang = code;
    document.title = say("title");
    for (const element of all("[data-say]")) element.textContent = say(element.dataset.say);
    for (const element of all("[data-say-label]")) element.setAttribute("aria-label", say(element.dataset.sayLabel));
    for (const button of all("[data-language]")) button.setAttribute("aria-pressed", button.dataset.language === code);
    $("rater").textContent = say("rater", { rater: data.rater });
    items.forEach((item, index) => {
      item.querySelector(".number").textContent = say("number", { number: index + 1, all: items.length });
    });
    tell();
    count();
  }

  function count() {
    const done = data.items.filter((id) => votes.has(id)).length;
    $("progress").value = done;
    $("progress-words").textContent = say("progress", { done, all: items.length });
    $("progress").setAttribute("aria-label", $("progress-words").textContent);
    all("#overview button").forEach((button, index) => {
      const rated = votes.has(data.items[index]);
      button.className = rated ? "rated" : "";
      button.setAttribute("aria-label", `${say("question")} ${index + 1}, ${say(rated ? "rated" : "unrated")}`);
      if (index === here) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    $("done").hidden = done < items.length;
  }

  // ---- The form

  const radios = (criterion, side) => [...$("form").elements.namedItem(`${criterion}-${side}`)];

  function read() {
    const pressed = document.querySelector('.choice[aria-pressed="true"]');
    const marks = {};
    for (const criterion of data.criteria) {
      marks[criterion] = {};
      for (const side of sides) {
        marks[criterion][side] = marked[radios(criterion, side).find((radio) => radio.checked).value];
      }
    }
    return { choice: pressed ? pressed.dataset.choice : null, marks, comment: $("comment").value };
  }

  function fill(vote) {
    for (const button of all(".choice")) {
      button.setAttribute("aria-pressed", Boolean(vote) && button.dataset.choice === vote.choice);
    }
    for (const criterion of data.criteria) {
      for (const side of sides) {
        const value = vote ? vote.marks[criterion][side] : null;
        for (const radio of radios(criterion, side)) radio.checked = marked[radio.value] === value;
      }
    }
    $("comment").value = vote ? vote.comment : "";
  }

  const plain = (vote) => JSON.stringify([vote.choice, data.criteria.map((name) => sides.map((side) => vote.marks[name][side])), vote.comment]);
  const blank = () => ({ choice: null, marks: Object.fromEntries(data.criteria.map((name) => [name, { left: null, right: null }])), comment: "" });
  const changed = (id, vote) => plain(vote) !== plain(votes.get(id) || blank());

  // ---- Moving

  function show(index, focus = true) {
    items[here].hidden = true;
    here = index;
    items[here].hidden = false;
    const id = data.items[here];
    fill(drafts.get(id) || votes.get(id));
    count();
    $("previous").disabled = here === 0;
    for (const pane of items[here].querySelectorAll(".pane")) pane.scrollTop = 0;
    if (focus) {
      window.scrollTo(0, 0);
      items[here].querySelector(".number").focus({ preventScroll: true });
    }
  }

  // Keeps what stands in the form: as a vote where a choice was made, else for as long as the page is open.
  async function leave() {
    const id = data.items[here];
    const vote = read();
    if (!changed(id, vote)) {
      drafts.delete(id);
      return true;
    }
    drafts.set(id, vote);
    if (!vote.choice) return true;
    if ([...vote.comment].length > data.most) {
      tell("long", { count: [...vote.comment].length, most: data.most }, "bad");
      return false;
    }
    if (!(await keep(id, vote))) return false;
    drafts.delete(id);
    return true;
  }

  // One thing after another: what is pressed while a vote is on its way waits for it, and is let go if it fails.
  const waiting = [];

  async function once(action) {
    waiting.push(action);
    if (busy) return;
    busy = true;
    try {
      while (waiting.length) if ((await waiting.shift()()) === false) waiting.length = 0;
    } finally {
      busy = false;
    }
  }

  const next = () => once(async () => {
    if (!read().choice) {
      tell("choose", {}, "bad");
      document.querySelector(".choice").focus();
      return false;
    }
    if (!(await leave())) return false;
    const open = data.items.map((_, step) => (here + step) % items.length).find((index) => !votes.has(data.items[index]));
    if (open === undefined) {
      show(here, false);
      $("done").focus();
      $("done").scrollIntoView({ block: "center" });
    } else show(open);
    tell("saved", {}, "good");
    return true;
  });

  const move = (place) => once(async () => {
    const index = place();
    if (index < 0 || index >= items.length) return true;
    if (!(await leave())) return false;
    tell();
    show(index);
    return true;
  });

  const undo = () => once(async () => {
    const back = await withdraw();
    if (back === undefined) return false;
    if (back === null) {
      tell("nothing");
      return true;
    }
    const index = data.items.indexOf(back.item);
    if (index !== here && changed(data.items[here], read())) drafts.set(data.items[here], read());
    drafts.delete(back.item);
    if (back.vote) votes.set(back.item, back.vote);
    else votes.delete(back.item);
    show(index);
    tell("undone", { number: index + 1 });
    return true;
  });

  // ---- Keeping votes: on the server …

  async function send(action, body) {
    tell("saving");
    let answer, content;
    try {
      answer = await fetch(`${location.pathname}/${action}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Form-Token": data.form },
        body: JSON.stringify(body),
        keepalive: true,
        signal: AbortSignal.timeout(20000),
      });
      content = await answer.json();
    } catch {
      tell("lost", {}, "bad");
      return undefined;
    }
    if (!answer.ok) {
      tell("refused", { message: content.message }, "bad");
      return undefined;
    }
    return content;
  }

  const served = {
    async keep(item, vote) {
      if ((await send("vote", { test: data.test, item, ...vote })) === undefined) return false;
      votes.set(item, vote);
      return true;
    },
    async withdraw() {
      const back = await send("undo", {});
      return back === undefined ? undefined : back.item === null ? null : back;
    },
  };

  // ---- … or in this browser, until they are sent as a file.

  const slot = `ftlab-blind ${data.test} ${data.rater}`;
  let past = [];

  function store() {
    $("unkept").hidden = memory.set(slot, JSON.stringify({ votes: Object.fromEntries(votes), past }));
  }

  function recall() {
    try {
      const saved = JSON.parse(memory.get(slot));
      const known = Object.entries(saved.votes).filter(([item, vote]) => data.items.includes(item) && sound(vote));
      past = saved.past.filter(([item]) => data.items.includes(item));
      votes.clear();
      for (const [item, vote] of known) votes.set(item, vote);
    } catch { /* nothing was kept */ }
  }

  const kept = {
    async keep(item, vote) {
      past.push([item, votes.get(item) || null]);
      votes.set(item, { ...vote, at: new Date().toISOString() });
      store();
      return true;
    },
    async withdraw() {
      if (!past.length) return null;
      const [item, vote] = past.pop();
      if (vote) votes.set(item, vote);
      else votes.delete(item);
      store();
      return { item, vote };
    },
  };

  const { keep, withdraw } = data.offline ? kept : served;

  function file() {
    const ratings = data.items.filter((id) => votes.has(id)).map((item) => {
      const { choice, marks, comment, at } = votes.get(item);
      return { test: data.test, rater: data.rater, item, choice, marks, comment, at };
    });
    return JSON.stringify({ kind: data.kind, ratings }, null, 1);
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([file()], { type: "application/json" }));
    link.download = data.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  function sound(rating) {
    const known = (marks) => data.criteria.every((name) => marks[name] && sides.every((side) => [true, false, null].includes(marks[name][side])));
    return rating && ["left", "tie", "right"].includes(rating.choice) && rating.marks && known(rating.marks) &&
      typeof rating.comment === "string" && !Number.isNaN(Date.parse(rating.at));
  }

  // All of the file or nothing; the newer vote of an item stands.
  function load(text) {
    let content = null;
    try { content = JSON.parse(text); } catch { /* said below */ }
    const ratings = content && content.kind === data.kind && Array.isArray(content.ratings) ? content.ratings : null;
    if (!ratings || !ratings.every(sound)) return tell("unloaded", { message: say("file_broken") }, "bad");
    const ours = (rating) => rating.test === data.test && rating.rater === data.rater && data.items.includes(rating.item);
    if (!ratings.every(ours)) return tell("unloaded", { message: say("file_foreign") }, "bad");
    let taken = 0;
    for (const { item, choice, marks, comment, at } of ratings) {
      const standing = votes.get(item);
      if (standing && Date.parse(standing.at) >= Date.parse(at)) continue;
      past.push([item, standing || null]);
      votes.set(item, { choice, marks, comment, at });
      taken += 1;
    }
    store();
    show(firstOpen());
    return tell("loaded", { count: taken }, "good");
  }

  const firstOpen = () => Math.max(data.items.findIndex((id) => !votes.has(id)), 0);

  // ---- Keys and buttons

  const choose = (choice) => once(() => {
    for (const button of all(".choice")) button.setAttribute("aria-pressed", button.dataset.choice === choice);
    tell();
  });

  const turn = (criterion, side) => once(() => {
    const group = radios(criterion, side);
    const at = group.findIndex((radio) => radio.checked);
    group[(at + 1) % group.length].checked = true;
  });

  function raw() {
    const on = document.body.classList.toggle("raw");
    $("raw").setAttribute("aria-pressed", on);
  }

  const help = () => $("help").open ? $("help").close() : $("help").showModal();

  const keys = {
    1: () => choose("left"), 2: () => choose("tie"), 3: () => choose("right"),
    ArrowLeft: () => choose("left"), ArrowDown: () => choose("tie"), ArrowRight: () => choose("right"),
    Enter: next, u: undo, p: () => move(() => here - 1), n: () => move(() => here + 1), v: raw, c: () => $("comment").focus(), "?": help,
  };
  for (const criterion of data.criteria) {
    for (const side of sides) keys[data.keys[criterion][side]] = () => turn(criterion, side);
  }

  // Elements that have a use of their own for some keys keep it.
  function owned(target, key) {
    if (target.matches("textarea, select, summary, input[type=file]")) return true;
    if (target.matches("input[type=radio]")) return key.startsWith("Arrow");
    if (target.matches(".pane, pre")) {
      const scrolls = key === "ArrowDown" ? target.scrollHeight > target.clientHeight : target.scrollWidth > target.clientWidth;
      return key.startsWith("Arrow") && scrolls;
    }
    return key === "Enter" && target.matches("button") && !target.matches('.choice[aria-pressed="true"]');
  }

  document.addEventListener("keydown", (event) => {
    // An input method that is at work gives no letter: then the key's place says which one it is.
    const typed = event.key === "Process" && event.code.startsWith("Key") ? event.code.slice(3) : event.key;
    const key = typed.length === 1 ? typed.toLowerCase() : typed;
    if (event.target === $("comment") && !event.isComposing) {
      if (event.key === "Escape") items[here].querySelector(".number").focus({ preventScroll: true });
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) next();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, key)) return;
    if ($("help").open ? key !== "?" : owned(event.target, key)) return;
    event.preventDefault();
    if (!event.repeat) keys[key]();
  });

  $("form").addEventListener("submit", (event) => { event.preventDefault(); next(); });
  $("next").addEventListener("click", (event) => { if (event.detail > 1) event.preventDefault(); });
  for (const button of all(".choice")) button.addEventListener("click", () => choose(button.dataset.choice));
  for (const button of all("[data-language]")) button.addEventListener("click", () => speak(button.dataset.language));
  $("previous").addEventListener("click", keys.p);
  $("undo").addEventListener("click", undo);
  $("raw").addEventListener("click", raw);
  $("help-open").addEventListener("click", help);
  $("help-close").addEventListener("click", help);
  window.addEventListener("beforeunload", (event) => {
    const unsaved = drafts.size > 0 || changed(data.items[here], read());
    if (unsaved || (data.offline && votes.size > 0 && !$("unkept").hidden)) event.preventDefault();
  });

  if (data.offline) {
    $("save").addEventListener("click", () => once(async () => { if (await leave()) { count(); save(); } }));
    $("as-text").addEventListener("click", () => once(async () => {
      if (!(await leave())) return;
      count();
      $("file-text-part").hidden = false;
      $("file-text").value = file();
      $("file-text").select();
    }));
    $("copy").addEventListener("click", async () => {
      $("file-text").select();
      try { await navigator.clipboard.writeText($("file-text").value); } catch { document.execCommand("copy"); }
      tell("copied", {}, "good");
    });
    $("load").addEventListener("change", async (event) => {
      const [chosen] = event.target.files;
      const text = await chosen?.text();
      event.target.value = "";
      if (chosen) once(async () => { if (await leave()) load(text); });
    });
    // The same page in another tab: what is said there is known here, so that neither writes over the other.
    window.addEventListener("storage", (event) => {
      if (event.key !== slot) return;
      const untouched = !changed(data.items[here], read());
      recall();
      if (untouched) show(here, false);
      else count();
    });
    recall();
    store();
  }

  data.items.forEach((_, index) => {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = index + 1;
    button.addEventListener("click", () => move(() => index));
    entry.append(button);
    $("overview").append(entry);
  });
  $("rating").hidden = false;
  const remembered = memory.get("ftlab-blind-language");
  speak(Object.hasOwn(data.words, remembered) ? remembered : data.language);
  show(firstOpen(), false);
})();
