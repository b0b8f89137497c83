// What a page is asked in the tests of its states; axe is there before it.

// The page's elements with their classes and roles, and without what they say or lead to.
window.outline = () => {
  const said = /^(href|value|content|title|src|datetime|hx-.*|id|for|d)$/
  const names = each => each.getAttributeNames().filter(name => !said.test(name))
  const outline = each => [each.tagName, each.className, names(each), !each.textContent.trim()]
  return Array.from(document.querySelectorAll('*'), outline).join()
}

const faults = async (runOnly, where) => {
  // Whether letters can be read is asked by itself, of those that are new: see `unreadable`.
  const rules = { 'color-contrast': { enabled: false } }
  const options = { runOnly, rules, resultTypes: ['violations'], iframes: false }
  const found = await axe.run(where, options)
  return found.violations.map(each => `${each.id}: ${each.nodes[0].html}`)
}

// What an element paints under its letters, or nothing.
const paint = style => {
  const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode } = style
  const all = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode].join()
  return all === 'rgba(0, 0, 0, 0),none,1,none,normal' ? '' : all
}

// For each text that can be seen, all that decides whether it can be read: its letters, what its
// elements up to the root paint, and what lies over or under it besides.
let texts = []
const letters = () => {
  const fields = 'input, select, textarea, button, option'
  const says = each =>
    Array.from(each.childNodes, node => (node.nodeType === 3 ? node.data.trim() : '')).join('')
  const disabled = document.querySelector(':disabled, [aria-disabled]') !== null
  const painted = new Map()
  const lifted = []
  const found = []
  for (const each of document.querySelectorAll('*')) {
    const style = getComputedStyle(each)
    const own = paint(style)
    const ground = `${painted.get(each.parentElement) ?? ''}>${own}`.replace(/>$/, '')
    painted.set(each, ground)
    const isText = (says(each) || each.matches(fields)) && style.visibility === 'visible'
    if (!isText && !(own && style.position !== 'static')) continue
    const box = each.getBoundingClientRect()
    if (box.width === 0) continue
    if (own && style.position !== 'static') lifted.push({ each, box, own })
    if (!isText) continue
    const { color, fontSize, fontWeight, textShadow, webkitTextStroke } = style
    const length = Math.min(says(each).length, 2) // One letter alone is not judged.
    const key = [color, fontSize, fontWeight, textShadow, webkitTextStroke, length, disabled]
    found.push({ each, box, key: [ground, each.tagName, ...key].join('|') })
  }
  texts = found.map(({ each }) => each)
  return found.map(({ each, box, key }) => {
    const beside = other => !other.each.contains(each) && !each.contains(other.each)
    const meets = other =>
      other.box.left < box.right && other.box.right > box.left &&
      other.box.top < box.bottom && other.box.bottom > box.top
    const near = lifted.filter(other => beside(other) && meets(other))
    return [key, ...near.map(({ own }) => own)].join('|')
  })
}

window.unreadable = numbers => {
  const include = numbers.map(number => texts[number])
  return faults({ type: 'rule', values: ['color-contrast'] }, { include })
}

// What is wrong in this look, by these rules; and the letters that can be seen.
window.look = async rules => {
  const width = document.documentElement.clientWidth
  const wrong = document.scrollingElement.scrollWidth > width ? ['scrolls sideways'] : []
  return [wrong.concat(rules ? await faults(rules, document) : []), letters()]
}

window.scheme = () => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
