// Sends a file to Haven, and says in the same words everywhere why one could not be taken in.
(() => {
  const haven = window.haven;

  // {path, said}: where the server has it; else an empty path, and what to tell the person.
  haven.upload = async (file) => {
    const body = new FormData();
    body.append("files", file);
    try {
      const answer = await fetch("/gradio_api/upload", { method: "POST", body });
      if (answer.ok) return { path: (await answer.json())[0], said: "" };
      return { path: "", said: haven.notTakenIn(file, answer.status, await answer.text()) };
    } catch (error) {
      if (error instanceof TypeError) return { path: "", said: `${file.name} could not be taken in.` }; // nobody answers
      throw error;
    }
  };

  // `text` is what the server said; of a full disk that is a sentence for the person.
  haven.notTakenIn = (file, status, text) =>
    `${file.name} could not be taken in. ${status === 507 ? text : `The answer was ${status}: try again.`}`;
})();
