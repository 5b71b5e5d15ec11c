"use strict";
// Each image gets a view of two of its pictures, with an edge that is moved over them.
for (const shown of document.querySelectorAll(".shown")) {
  const pictures = new Map();
  for (const figure of shown.querySelectorAll("figure")) pictures.set(figure.dataset.name, figure.querySelector("img").src);
  if (pictures.size < 2) continue;
  const names = [...pictures.keys()];
  const stack = shown.querySelector(".stack");
  const prefer = (wanted, other) => wanted.find((name) => pictures.has(name)) || other;
  const sides = [
    [".left", ".over", prefer(["student", "model", "ghost", "teacher"], names[names.length - 1])],
    [".right", ".under", prefer(["ground truth", "image"], names[0])],
  ];
  for (const [choice, picture, first] of sides) {
    const select = shown.querySelector(choice);
    for (const name of names) select.add(new Option(name, name, name === first, name === first));
    const show = () => {
      const image = stack.querySelector(picture);
      image.src = pictures.get(select.value);
      image.alt = select.value;
    };
    select.addEventListener("change", show);
    show();
  }
  const range = stack.querySelector("input");
  range.addEventListener("input", () => stack.style.setProperty("--at", `${range.value}%`));
  shown.querySelector(".wipe").hidden = false;
  shown.querySelector(".both").classList.add("wiping");
}
