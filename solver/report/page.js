"use strict";
// The page's behaviour: draw charts when they come near the screen, hide and show providers, step through the dynamics,
// zoom, show and save a chart's data, pick a market, choose light or dark. Without this script the text and tables stay.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const config = json("chart-config");
  const drawn = new Map(); // container of a chart -> its view
  const specs = new Map(); // section id -> specifications by key
  const hidden = new Map(); // section id -> names of hidden providers

  // Records come as columns and rows, which takes half the space.
  const unpacked = (part) => {
    if (Array.isArray(part)) return part.map(unpacked);
    if (!part || typeof part !== "object") return part;
    if (part.columns && part.rows) {
      return { values: part.rows.map((row) => Object.fromEntries(row.map((value, i) => [part.columns[i], value]))) };
    }
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, unpacked(value)]));
  };
  const sectionOf = (element) => element.closest("[data-charts]");
  const specOf = (container) => {
    const id = sectionOf(container).dataset.charts;
    if (!specs.has(id)) specs.set(id, unpacked(json(id)));
    return specs.get(id)[container.dataset.chart];
  };

  // ---- drawing -------------------------------------------------------------------------------------------------
  const tooltip = document.getElementById("tooltip");
  const showTooltip = (_, event, item, value) => {
    if (!value || event.type === "mouseout") { tooltip.hidden = true; return; }
    tooltip.replaceChildren();
    const lines = typeof value === "object" ? Object.entries(value) : [["", value]];
    for (const [name, text] of lines) {
      const line = document.createElement("div");
      const key = document.createElement("span");
      key.textContent = name;
      const shown = document.createElement("b");
      shown.textContent = String(text);
      line.append(key, shown);
      tooltip.append(line);
    }
    tooltip.hidden = false;
    const box = tooltip.getBoundingClientRect();
    const left = event.clientX + 14 + box.width > root.clientWidth ? event.clientX - 14 - box.width : event.clientX + 14;
    tooltip.style.left = `${Math.max(4, left)}px`;
    tooltip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 4))}px`;
  };

  const drawing = new Map(); // container of a chart -> promise of its view
  const draw = (container) => {
    if (!drawing.has(container)) drawing.set(container, begin(container));
    return drawing.get(container);
  };
  const begin = async (container) => {
    const spec = { ...specOf(container) };
    // A section that is not shown has no width of its own: it is drawn for paper.
    if (!container.clientWidth) spec.width = 420;
    const settings = { mode: "vega-lite", renderer: "svg", actions: false, config, tooltip: showTooltip, logLevel: 1 };
    const { view } = await vegaEmbed(container, spec, settings);
    // The container is the picture with its text; what is inside it is not read out.
    all("svg", container).forEach((svg) => { svg.removeAttribute("role"); svg.setAttribute("aria-hidden", "true"); });
    drawn.set(container, view);
    const section = sectionOf(container).dataset.charts;
    if (hidden.has(section)) set(view, "hidden", [...hidden.get(section)]);
    const step = document.querySelector(`input[data-steps="${section}"]`);
    if (step && container.dataset.stepped) set(view, "step", Number(step.value));
    await view.runAsync();
    container.dataset.drawn = "yes";
    return view;
  };
  const set = (view, name, value) => {
    try { view.signal(name, value); } catch { return false; } // a chart without this signal stays as it is
    return true;
  };
  const each = (section, name, value) => {
    for (const [container, view] of drawn) {
      if (sectionOf(container).dataset.charts === section && set(view, name, value)) view.runAsync();
    }
  };

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "600px" });
  all("[data-chart]").forEach((container) => near.observe(container));
  addEventListener("beforeprint", () => all("[data-chart]").forEach(draw));

  // ---- toolbar of a chart --------------------------------------------------------------------------------------
  const zoomed = (view, factor) => {
    const state = view.getState({ signals: (name) => /^grid_(?!tuple|translate|zoom|modify)/.test(name), data: () => false });
    for (const name of Object.keys(state.signals)) {
      if (factor === null) { view.signal(name, null); continue; }
      const scale = view.scale(channelOf(view, name.slice("grid_".length)));
      const range = scale.range(), size = range[1] - range[0], margin = (size * (1 - factor)) / 2;
      view.signal(name, [scale.invert(range[0] + margin), scale.invert(range[1] - margin)]);
    }
    view.runAsync();
  };
  // The names of the signals hold fields; which axis a field lies along is read off the compiled scales.
  const channelOf = (view, field) =>
    view.signal("grid_tuple_fields").find((part) => field === part.field.replace(/\W/g, "_")).channel;
  const save = (name, text, type) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const records = (spec) => {
    const found = [];
    const walk = (part) => {
      if (!part || typeof part !== "object") return;
      if (part.data?.values?.length && fieldsOf(part.data.values).length) found.push(part.data.values);
      (part.layer ?? []).forEach(walk);
    };
    walk(spec);
    return found;
  };
  const fieldsOf = (rows) => [...new Set(rows.flatMap(Object.keys))].filter((name) => !name.startsWith("_"));
  const csv = (rows) => {
    const fields = fieldsOf(rows);
    const cell = (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return [fields, ...rows.map((row) => fields.map((name) => row[name]))].map((line) => line.map(cell).join(",")).join("\n") + "\n";
  };
  const table = (rows, most = 300) => {
    const fields = fieldsOf(rows);
    const made = document.createElement("table");
    const head = made.createTHead().insertRow();
    for (const name of fields) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = name;
      head.append(cell);
    }
    const body = made.createTBody();
    for (const row of rows.slice(0, most)) {
      const line = body.insertRow();
      for (const name of fields) {
        const cell = line.insertCell();
        cell.textContent = row[name] ?? "–";
        if (typeof row[name] === "number") cell.className = "n";
      }
    }
    if (rows.length > most) made.createCaption().textContent = `The first ${most} of ${rows.length} rows; the CSV has all.`;
    return made;
  };
  const actions = {
    in: (view) => zoomed(view, 0.6),
    out: (view) => zoomed(view, 1 / 0.6),
    reset: (view) => zoomed(view, null),
    data: (view, figure, button) => {
      const place = figure.querySelector(".data");
      const open = place.hidden;
      if (open && !place.childElementCount) place.append(...records(specOf(figure.querySelector("[data-chart]"))).map((rows) => table(rows)));
      place.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
    },
    csv: (view, figure) => {
      const container = figure.querySelector("[data-chart]");
      save(`${container.id}.csv`, records(specOf(container)).map(csv).join("\n"), "text/csv");
    },
    svg: async (view, figure) => {
      const text = await view.toSVG();
      const style = getComputedStyle(root);
      const filled = text.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
      save(`${figure.querySelector("[data-chart]").id}.svg`, filled, "image/svg+xml");
    },
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-action]");
    if (!button) return;
    const figure = button.closest("figure");
    const view = await draw(figure.querySelector("[data-chart]"));
    actions[button.dataset.action](view, figure, button);
  });

  // ---- providers -----------------------------------------------------------------------------------------------
  for (const list of all("[data-providers]")) {
    const section = list.dataset.providers;
    const buttons = all("button[data-provider]", list);
    const apply = () => {
      const names = buttons.filter((b) => b.getAttribute("aria-pressed") === "false").flatMap((b) => JSON.parse(b.dataset.provider));
      hidden.set(section, names);
      each(section, "hidden", names);
    };
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.provider) {
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") === "false"));
      } else {
        const shown = buttons.some((b) => b.getAttribute("aria-pressed") === "false");
        buttons.forEach((b) => b.setAttribute("aria-pressed", String(shown)));
      }
      apply();
    });
  }

  // ---- rounds of the dynamics ----------------------------------------------------------------------------------
  for (const slider of all("input[data-steps]")) {
    const section = slider.dataset.steps;
    const output = slider.closest(".stepper").querySelector("output");
    const play = slider.closest(".stepper").querySelector("button");
    let timer = 0;
    const show = () => {
      output.textContent = `${slider.value} of ${slider.max}`;
      each(section, "step", Number(slider.value));
    };
    const stop = () => { clearInterval(timer); timer = 0; play.textContent = "▶ Play"; };
    slider.addEventListener("input", () => { stop(); show(); });
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (slider.value === slider.max) slider.value = "0";
      show();
      play.textContent = "❚❚ Pause";
      timer = setInterval(() => {
        slider.value = String(Number(slider.value) + 1);
        show();
        if (slider.value === slider.max) stop();
      }, 450);
    });
    show();
  }

  // ---- one market at a time ------------------------------------------------------------------------------------
  const markets = all("section.market");
  const picker = document.getElementById("market-picker");
  const pick = (id, scroll) => {
    const chosen = markets.find((market) => market.id === id);
    if (!chosen) return;
    for (const market of markets) {
      if (market === chosen) market.removeAttribute("hidden"); else market.setAttribute("hidden", "until-found");
    }
    if (picker) picker.value = id;
    all(".cards a").forEach((card) => {
      if (card.hash === `#${id}`) card.setAttribute("aria-current", "true"); else card.removeAttribute("aria-current");
    });
    if (scroll) chosen.scrollIntoView();
  };
  if (markets.length > 1) {
    const follow = (scroll) => {
      const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
      const market = target && target.closest("section.market");
      if (market) { pick(market.id, false); if (scroll) target.scrollIntoView(); }
    };
    pick(markets[0].id, false);
    root.classList.add("one-market");
    follow(true);
    addEventListener("hashchange", () => follow(true));
    picker.addEventListener("change", () => { location.hash = picker.value; });
    markets.forEach((market) => market.addEventListener("beforematch", () => pick(market.id, false)));
    addEventListener("beforeprint", () => markets.forEach((market) => market.removeAttribute("hidden")));
    addEventListener("afterprint", () => pick(picker.value, false));
  }
  addEventListener("beforeprint", () => all("details").forEach((part) => { part.dataset.was = part.open ? "open" : ""; part.open = true; }));
  addEventListener("afterprint", () => all("details").forEach((part) => { part.open = part.dataset.was === "open"; }));

  // ---- light and dark ------------------------------------------------------------------------------------------
  const theme = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  const remember = (value) => { try { localStorage.setItem("ttc-games-theme", value); } catch { /* not allowed: not kept */ } };
  const remembered = () => { try { return localStorage.getItem("ttc-games-theme"); } catch { return null; } };
  const wear = (value) => {
    if (value === "auto") root.removeAttribute("data-theme"); else root.dataset.theme = value;
    theme.textContent = `Theme: ${value}`;
    theme.dataset.value = value;
  };
  wear(themes.includes(remembered()) ? remembered() : "auto");
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(theme.dataset.value) + 1) % themes.length];
    wear(next);
    remember(next);
  });

  // ---- the machine-readable appendix ---------------------------------------------------------------------------
  const appendix = document.getElementById("save-appendix");
  appendix.addEventListener("click", async () => {
    const packed = Uint8Array.from(atob(document.getElementById("appendix").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    save("report.json", await new Response(stream).text(), "application/json");
  });
})();
