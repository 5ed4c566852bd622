// The journey: two servers, the same eight requests, crossing by crossing.
"use strict";
(function () {
	const models = JSON.parse(document.getElementById("data").textContent);
	const clients = "ABCDEFGH".split("");
	const told = document.getElementById("told");
	const PLAY_MS = 800;
	const BOUNDARY = 95;
	const WHERE = { waiting: 150, known: 150, taken: 40, answered: 150 };
	let position = 0;
	let timer = null;

	function element(name, attributes, text) {
		const made = document.createElementNS("http://www.w3.org/2000/svg", name);
		for (const key in attributes) made.setAttribute(key, attributes[key]);
		if (text) made.textContent = text;
		return made;
	}

	// What is true after so many steps of a model: a pure function of the trace.
	function stateAfter(model, steps) {
		const states = {};
		let crossings = 0;
		clients.forEach((c) => { states[c] = "waiting"; });
		model.steps.slice(0, steps).forEach((step) => {
			crossings += step.counted ? 1 : 0;
			(step.ready || []).forEach((c) => { states[c] = "known"; });
			(step.taken || []).forEach((c) => { states[c] = "taken"; });
			(step.answered || []).forEach((c) => { states[c] = "answered"; });
		});
		return { states, crossings, answered: clients.filter((c) => states[c] === "answered").length };
	}

	function kindOf(step) {
		return { "wait": "wait", "enter ring": "enter", "next": "enter", "read request": "read", "find drained": "read", "write reply": "write" }[step.phase] || "other";
	}

	const x = (client) => 40 + clients.indexOf(client) * 57;

	function drawStage(panel) {
		const stage = panel.stage;
		stage.textContent = "";
		stage.append(
			element("rect", { class: "program", x: 0.5, y: 0.5, width: 479, height: BOUNDARY }),
			element("rect", { class: "kernel", x: 0.5, y: BOUNDARY, width: 479, height: 94.5 }),
			element("path", { class: "boundary", d: `M0 ${BOUNDARY}h480` }),
			element("text", { class: "aside", x: 8, y: 16 }, "program"),
			element("text", { class: "aside", x: 8, y: 182 }, "kernel"));
		panel.arrow = element("g", { class: "arrow" });
		stage.append(panel.arrow);
		panel.tokens = {};
		clients.forEach((c) => {
			const token = element("g", { class: "token" });
			token.append(element("rect", { x: -15, y: -15, width: 30, height: 30, rx: 4 }), element("text", { y: 5, "text-anchor": "middle" }, c),
				element("path", { class: "tick", d: "M5 -12l4 4 7-8" }));
			panel.tokens[c] = token;
			stage.append(token);
		});
	}

	// The call under way: down into the kernel beside the clients it is for, and back.
	function drawArrow(panel, step) {
		panel.arrow.textContent = "";
		if (!step || step.phase === "none") return;
		const of = step.clients && step.clients.length === 1 ? [x(step.clients)] : [x("A"), x("H")];
		const left = of[0] - (of.length > 1 ? 24 : 19);
		const right = of[of.length - 1] + (of.length > 1 ? 24 : 19);
		const kind = kindOf(step) + (step.counted ? " crossing" : " uncounted");
		const group = element("g", { class: kind });
		group.append(
			element("path", { class: "path", d: `M${left} 62V118q0 6 6 6H${right - 6}q6 0 6-6V70` }),
			element("path", { class: "tip", d: `M${right} 60l-5 11h10z` }),
			element("text", { class: "result", x: (left + right) / 2, y: 84, "text-anchor": "middle" }, step.name));
		panel.arrow.append(group);
	}

	function say(step) {
		return step ? step.says : "nothing yet";
	}

	function drawLog(panel) {
		panel.log.textContent = "";
		panel.model.steps.forEach((step) => {
			const item = document.createElement("li");
			const code = document.createElement("code");
			code.textContent = step.call;
			item.append(code);
			if (!step.counted) item.append(" (not counted here)");
			panel.log.append(item);
		});
	}

	function drawPanel(panel) {
		const steps = panel.model.steps;
		const at = Math.min(position, steps.length);
		const now = stateAfter(panel.model, at);
		const step = at > 0 ? steps[at - 1] : null;
		const done = position > steps.length;
		clients.forEach((c) => {
			panel.tokens[c].setAttribute("class", "token " + now.states[c]);
			panel.tokens[c].setAttribute("transform", `translate(${x(c)} ${WHERE[now.states[c]]})`);
		});
		drawArrow(panel, done ? null : step);
		panel.crossings.textContent = now.crossings;
		panel.word.textContent = now.crossings === 1 ? "crossing" : "crossings";
		panel.answered.textContent = `${now.answered} of ${clients.length} answered`;
		panel.call.textContent = done ? "" : step ? step.call : "";
		panel.says.textContent = done ? "done; waits for the next batch" : step ? say(step) : "eight requests wait in the kernel";
		Array.from(panel.log.children).forEach((item, i) => {
			item.className = i < at ? "past" : "";
			if (i === at - 1 && !done) item.setAttribute("aria-current", "step");
			else item.removeAttribute("aria-current");
		});
		return `${panel.model.model}: ${panel.says.textContent}; ${now.crossings} ${panel.word.textContent}, ${now.answered} answered.`;
	}

	function panelOf(id) {
		const root = document.getElementById(id);
		const find = (selector) => root.querySelector(selector);
		return {
			root, select: find("select"), stage: find(".stage"), crossings: find(".crossings"), word: find(".crossings-word"),
			answered: find(".answered"), call: find(".call code"), says: find(".call span"), log: find(".log"), model: null,
		};
	}

	const panels = [panelOf("left"), panelOf("right")];
	const end = () => Math.max(...panels.map((p) => p.model.steps.length));

	function draw() {
		const words = panels.map(drawPanel);
		document.getElementById("position").textContent = `step ${position} of ${end()}`;
		document.getElementById("back").disabled = document.getElementById("first").disabled = position === 0;
		document.getElementById("forward").disabled = document.getElementById("last").disabled = position === end();
		if (!timer) told.textContent = `Step ${position} of ${end()}. ` + words.join(" ");
	}

	function choose(panel) {
		panel.model = models.find((m) => String(m.chapter) === panel.select.value);
		drawStage(panel);
		drawLog(panel);
	}

	function go(to) {
		position = Math.max(0, Math.min(end(), to));
		if (position === end()) stop();
		draw();
	}

	function stop() {
		if (timer) clearInterval(timer);
		timer = null;
		const button = document.getElementById("play");
		button.textContent = "Play";
	}

	function play() {
		if (timer) {
			stop();
			draw();
			return;
		}
		if (position === end()) position = 0;
		timer = setInterval(() => go(position + 1), PLAY_MS);
		const button = document.getElementById("play");
		button.textContent = "Pause";
		go(position + 1);
	}

	const moves = {
		first: () => { stop(); go(0); },
		back: () => { stop(); go(position - 1); },
		forward: () => { stop(); go(position + 1); },
		last: () => { stop(); go(end()); },
		play,
	};
	const keys = { ArrowRight: "forward", ArrowLeft: "back", Home: "first", End: "last" };

	// A focused button that is disabled would lose the keyboard: hand it to its neighbour.
	function press(name) {
		const focused = document.activeElement;
		moves[name]();
		if (focused && focused.disabled) document.getElementById("play").focus();
	}

	Object.keys(moves).forEach((name) => document.getElementById(name).addEventListener("click", () => press(name)));
	// Only while the focus is in here: elsewhere these keys scroll the page.
	document.getElementById("journey").addEventListener("keydown", (event) => {
		if (!keys[event.key] || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select")) return;
		event.preventDefault();
		press(keys[event.key]);
	});
	panels.forEach((panel) => {
		panel.select.addEventListener("change", () => { stop(); choose(panel); go(0); });
		choose(panel);
	});
	draw();
})();
