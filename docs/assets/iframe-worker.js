// Search needs a worker, and browsers allow none to a page opened from disk: there a hidden frame does its work.
// The theme waits for a class of this kind under the name Worker.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.queue = []
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.frame.title = "search"
      const source = `
        self.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done, failed) => {
          const script = document.createElement("script")
          script.src = url
          script.onload = done
          script.onerror = failed
          document.body.append(script)
        })), Promise.resolve())
        self.postMessage = data => parent.dispatchEvent(new MessageEvent("frame-worker", { data }))
        const script = document.createElement("script")
        script.src = ${JSON.stringify(String(url))}
        script.onload = () => parent.dispatchEvent(new MessageEvent("frame-worker-ready"))
        document.body.append(script)`
      window.addEventListener("frame-worker", event => {
        const message = new MessageEvent("message", { data: event.data })
        this.dispatchEvent(message)
        if (this.onmessage) this.onmessage(message)
      })
      window.addEventListener("frame-worker-ready", () => {
        const waiting = this.queue
        this.queue = null
        waiting.forEach(data => this.postMessage(data))
      })
      const attach = () => {
        document.body.append(this.frame)
        const page = this.frame.contentDocument
        page.body.append(Object.assign(page.createElement("script"), { textContent: source }))
      }
      if (document.body) attach()
      else document.addEventListener("DOMContentLoaded", attach)
    }
    postMessage(data) {
      if (this.queue) this.queue.push(data)
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
