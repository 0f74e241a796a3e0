// The scripts that connect a shell to `stele __complete LINE`. It prints one candidate a line, a
// tab, and its description; `:files` means that names of files fit as well.
//
// All decisions are in candidates.ts: the scripts only pass the line on, and take away what the
// shell has split off the word (bash splits at = and :).

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

const BASH = `# bash completion of stele; in ~/.bashrc: source <(stele completion bash)
_stele() {
  local line=\${COMP_LINE:0:COMP_POINT}
  local current=\${line##*[[:space:]]} kept='' word _rest file
  # Bash replaces only what follows the last = or : of the word.
  case $current in *[=:]*) kept=\${current%"\${current##*[=:]}"} ;; esac
  COMPREPLY=()
  while IFS=$'\\t' read -r word _rest; do
    if [[ $word == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "\${current##*=}")
    else
      COMPREPLY+=("\${word#"$kept"}")
    fi
  done < <("\${COMP_WORDS[0]}" __complete "$line" 2>/dev/null)
}
complete -F _stele stele
`;

const ZSH = `#compdef stele
# zsh completion of stele; in ~/.zshrc after compinit: source <(stele completion zsh)
_stele() {
  local -a candidates
  local word description files=''
  while IFS=$'\\t' read -r word description; do
    if [[ $word == :files ]]; then
      files=1
    else
      candidates+=("\${word//:/\\\\:}\${description:+:$description}")
    fi
  done < <("\${words[1]}" __complete "\${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)
  (( $#candidates )) && _describe -t stele stele candidates
  [[ -n $files ]] && _files
  return 0
}
compdef _stele stele
`;

const FISH = `# fish completion of stele; in ~/.config/fish/config.fish: stele completion fish | source
function __stele_complete
    for each in (stele __complete (commandline -cp | string collect) 2>/dev/null)
        if test "$each" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $each
        end
    end
end
complete -c stele -f -a '(__stele_complete)'
`;

export const COMPLETION_SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
};
